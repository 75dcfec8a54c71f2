// How much memory a process holds, seen from outside.
//
// RssAnon is what the process itself allocated; that is what the ceiling of
// the design is about. VmHWM, the kernel's own peak, also counts pages of
// files that the process mapped (the database), which the kernel takes back
// whenever somebody needs them; it is reported but not judged.

import fs from 'node:fs';

function status(pid) {
  try {
    const text = fs.readFileSync(`/proc/${pid}/status`, 'latin1');
    const field = (name) =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
    return { anonymous: field('RssAnon') * 1024, peak: field('VmHWM') * 1024 };
  } catch {
    return { anonymous: 0, peak: 0 };
  }
}

export class MemoryWatch {
  constructor(pid, every_ms = 3) {
    this.pid = pid;
    this.idle = status(pid).anonymous;
    this.anonymous = this.idle;
    this.peak = 0;
    this.samples = 0;
    this.timer = setInterval(() => this.#look(), every_ms);
  }

  #look() {
    const { anonymous, peak } = status(this.pid);
    this.anonymous = Math.max(this.anonymous, anonymous);
    this.peak = Math.max(this.peak, peak);
    this.samples++;
  }

  // Bytes: anonymous memory when the watch began, its peak, VmHWM.
  stop() {
    this.#look();
    clearInterval(this.timer);
    const { idle, anonymous, peak, samples } = this;
    return { idle, anonymous, peak, samples };
  }
}

export const mib = (bytes) => `${(bytes / 1048576).toFixed(1)} MiB`;
