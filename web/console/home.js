import { me } from './session.js';
import { h } from './ui.js';

export async function screen() {
  return { title: `Welcome, ${me().alias}`, content: h('p', null, '') };
}
