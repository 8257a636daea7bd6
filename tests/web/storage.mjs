/** What a browser has and Node has not. */

/** A storage, without the browser. Blocked, it throws whatever it is asked. */
export class Storage {
  #items = new Map();
  blocked = false;
  getItem(key) { this.#check(); return this.#items.get(key) ?? null; }
  setItem(key, value) { this.#check(); this.#items.set(key, String(value)); return true; }
  removeItem(key) { this.#check(); this.#items.delete(key); }
  #check() { if (this.blocked) throw new DOMException("Access is denied for this document.", "SecurityError"); }
}

/** Channels between tabs: each hears what the others say, a moment later. */
export function channels() {
  const all = [];
  return () => {
    const channel = {
      postMessage(data) {
        const copy = structuredClone(data);
        for (const other of all) if (other !== channel && !other.frozen) queueMicrotask(() => other.onmessage?.({ data: copy }));
      },
    };
    all.push(channel);
    return channel;
  };
}
