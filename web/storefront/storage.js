/**
 * The browser's two storages. Where one is blocked or full, this page's memory takes its place, and
 * whoever shows the page hears of it by an "unstored" event: the next page will not have it.
 */
function storage(kind) {
  const memory = new Map();
  return {
    /** @returns {string | null} */
    getItem(key) {
      if (memory.has(key)) return memory.get(key);
      try {
        return globalThis[kind].getItem(key);
      } catch {
        return null;
      }
    },
    /** @returns {boolean} whether it outlives this page */
    setItem(key, value) {
      try {
        globalThis[kind].setItem(key, value);
        memory.delete(key);
        return true;
      } catch {
        memory.set(key, value);
        globalThis.dispatchEvent?.(new Event("unstored"));
        return false;
      }
    },
    removeItem(key) {
      memory.delete(key);
      try {
        globalThis[kind].removeItem(key);
      } catch {
        // It has nothing.
      }
    },
  };
}

/** To the other tabs; to nobody where the browser blocks that with its storage. */
export function channelTo(name) {
  try {
    return new BroadcastChannel(name);
  } catch {
    return { postMessage() {} };
  }
}

/** Shared by all tabs, and kept when they are closed. */
export const local = storage("localStorage");
/** This tab's own, and gone with it. */
export const tab = storage("sessionStorage");
