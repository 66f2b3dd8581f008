// The search runs in a worker, and browsers start none for a page that was opened from the file
// system. There, this gives the pages a worker that does its work in a hidden frame instead.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    #started;

    constructor(address) {
      super();
      this.#started = this.#start(new URL(address, location.href).href);
    }

    // Gives the window of the frame once the script at `address` has run in it.
    async #start(address) {
      const frame = document.createElement("iframe");
      frame.hidden = true;
      const loaded = new Promise((done) => { frame.onload = done; });
      document.body.append(frame);
      await loaded;
      const inside = frame.contentWindow;
      const run = (source) => new Promise((done, failed) => {
        const script = inside.document.createElement("script");
        Object.assign(script, { src: source, onload: done, onerror: failed });
        inside.document.head.append(script);
      });
      inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      inside.importScripts = async (...sources) => {
        for (const source of sources) await run(source);
      };
      await run(address);
      return inside;
    }

    async postMessage(data) {
      const inside = await this.#started;
      inside.dispatchEvent(new inside.MessageEvent("message", { data }));
    }
  };
}
