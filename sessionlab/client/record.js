// Runs in every frame before the page's own scripts: reports websocket attempts and notifications as they happen.
// All times are milliseconds since the frame's navigation began, on the clock that the page itself sees.
(() => {
  const attempts = {pending: 0, frames: 0, unanswered: 0}
  window.sessionlab = attempts

  let number = 0
  const report = (what, record) => {
    // A frame that is going away has nobody left to tell.
    window.sessionlab_record(what, {...record, origin: performance.timeOrigin, now: performance.now()}).catch(() => {})
  }

  if (window === window.top) report("load", {})

  // The first frame of a message of Bokeh's is its header; an answer names the message that it answers.
  const is_header = (data) => typeof data === "string" && data.length < 500 && data.includes('"msgtype"')

  const Native = window.WebSocket
  window.WebSocket = class WebSocket extends Native {
    constructor(...args) {
      super(...args)
      const socket = ++number
      let undecided = true
      const decided = () => {
        attempts.pending -= undecided
        undecided = false
      }
      attempts.pending += 1
      report("attempt", {socket, url: this.url})
      this.addEventListener("open", () => report("opened", {socket}))
      this.addEventListener("message", ({data}) => {
        attempts.frames += 1
        if (is_header(data) && data.includes('"reqid"')) attempts.unanswered -= 1
        if (undecided) report("answered", {socket})
        decided()
      })
      this.addEventListener("close", (event) => {
        decided()
        attempts.unanswered = 0
        report("closed", {socket, code: event.code})
      })
    }

    send(data) {
      attempts.frames += 1
      if (this.readyState === Native.OPEN && is_header(data)) attempts.unanswered += 1
      super.send(data)
    }
  }

  const toasts = new Map()
  const said = (node) => node.nodeName === "BUTTON" ? ` [${node.textContent}]` : node.textContent
  const text_of = (toast) => [...(toast.querySelector(".notyf__message") ?? toast).childNodes].map(said).join("").trim()
  const look = (mutations) => {
    for (const {addedNodes} of mutations) {
      for (const node of addedNodes) {
        if (!(node instanceof Element)) continue
        for (const toast of [node, ...node.querySelectorAll(".notyf__toast")]) {
          if (!toast.matches(".notyf__toast") || toasts.has(toast)) continue
          const record = {toast: ++number, text: text_of(toast)}
          toasts.set(toast, record)
          report("shown", record)
        }
      }
    }
    for (const [toast, record] of toasts) {
      if (!toast.isConnected) {
        toasts.delete(toast)
        report("gone", record)
      } else if (text_of(toast) !== record.text) {
        record.text = text_of(toast)
        report("changed", record)
      }
    }
  }
  const watch = (root) => new MutationObserver(look).observe(root, {childList: true, characterData: true, subtree: true})
  const attach = Element.prototype.attachShadow
  Element.prototype.attachShadow = function (options) {
    const root = attach.call(this, options)
    watch(root)
    return root
  }
  watch(document)
})()
