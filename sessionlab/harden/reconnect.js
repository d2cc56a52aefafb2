// The page's side of harden.reconnect(). It runs when the page is ready and when its connection is lost, and stays for
// the life of the page: BokehJS keeps the handlers of the first session. A line that defines `settings` is put before.
const {type, retry, texts} = settings
const page = cb_obj[type] ??= watch(cb_obj)
if (cb_data?.event_name == "connection_lost") page.lost(cb_data.connection.deref())

function watch(doc) {
  const notice = make_notice(doc)
  let conn = null          // BokehJS' connection, known from the first loss on
  let first_token = null   // the one that the page came with: opens a new session if need be, until it expires
  let expires = Infinity   // when, by this machine's clock
  let ticket = null        // good for this session, as long as it lives; the server sends a new one now and then
  let mark = null          // of the session that the page heard of last
  let lost_at = null, back_at = -Infinity, attempt = null, wake = null

  doc.on_message(type, (message) => {
    ticket = message.ticket ?? ticket
    if (message.expires != null) expires = Date.now() + message.expires * 1000
    // "restarted" may have been on its way to the page when it was lost again.
    const another = mark != null && message.mark != null && mark != message.mark
    mark = message.mark ?? mark
    if (message.say != null) notice.show("said", null, message.say)
    else if (message.outcome != null) notice.show(another && message.outcome == "resumed" ? "restarted" : message.outcome)
  })
  addEventListener("online", hurry)
  document.addEventListener("visibilitychange", () => { if (!document.hidden) hurry() })
  silence_panel(doc)
  return {lost}

  function lost(connection) {
    if (connection == null || lost_at != null) return
    if (conn == null) adopt(connection)
    void come_back()
  }

  function adopt(connection) {
    conn = connection
    first_token = conn.token
    conn._try_reconnect = (asked) => { if (asked) hurry() }  // not for BokehJS' own timers; for reconnect() of its event
    const pull = conn._pull_doc_json.bind(conn)
    conn._pull_doc_json = async () => {
      const reply = await pull()
      put_buffers(reply.doc_json, reply.buffers)  // which BokehJS 3.9 forgets when it pulls again
      return reply
    }
    const replace = doc.replace_with_json.bind(doc)
    doc.replace_with_json = (json) => without_echo(doc, conn.session._document_listener, () => replace(json))
  }

  function hurry() {
    if (attempt == null) wake?.()
    else if (attempt.asks && Date.now() - attempt.since > 300) {
      attempt.again = true  // it may hang since before the network came back
      attempt.stop()
    }
  }

  async function come_back() {
    lost_at = Date.now()
    let unheard = 0, use_first = ticket == null, number = 0
    let wait = lost_at - back_at < 3000 ? pause() : 100 * Math.random()  // what is lost again and again is not hurried
    const words = setTimeout(() => notice.show("lost", hurry), 400)  // a blip needs none
    while (true) {
      await new Promise((resolve) => { wake = resolve; setTimeout(resolve, wait) })
      wake = null
      const {answer, again} = await try_once(use_first ? first_token : ticket, number++)
      const expired = Date.now() > expires
      if (answer == "connected") break
      unheard = answer == "unheard" ? unheard + 1 : 0
      if (answer == "refused" || (answer == "gone" && expired) || (ticket == null && expired && unheard >= 2)) {
        clearTimeout(words)
        notice.show("refused")
        return  // for good: `lost_at` stays
      }
      if (answer == "gone") ticket = null
      if (unheard == 8) notice.show("refused")  // a proxy, or a server that was restarted; it may still change its mind
      use_first = ticket == null || (unheard % 3 == 2 && !expired)
      wait = answer == "gone" || again ? 0 : pause()
    }
    clearTimeout(words)
    lost_at = null
    back_at = Date.now()
    const {ClientReconnected} = Bokeh.require("core/bokeh_events")
    doc.event_manager.send_event(new ClientReconnected())
  }

  // Around `retry` seconds at first, then around 2 % of the time that has passed; ten times as long when nobody looks.
  function pause() {
    const mean = Math.max(retry, Math.min(10, (Date.now() - lost_at) / 1000 * 0.02))
    return 1000 * mean * (0.6 + 0.8 * Math.random()) * (document.hidden ? 10 : 1)
  }

  // "connected"; "gone" or "refused", as the server says of a ticket; "unheard" if a connection was opened and closed
  // without a word; "unreachable".
  async function try_once(token, number) {
    if (conn.socket != null) return {answer: "unreachable"}
    const now = attempt = {since: Date.now(), again: false, asks: true, stop: null}
    const at_most = Math.min(30000, 5000 + (now.since - lost_at) / 4)
    // Chromium delays each websocket by 1 to 5 s after some that failed, so it is asked first whether anybody is there.
    // Now and then a websocket is tried all the same: the policy of a page may forbid to ask.
    if (number % 8 != 0 && !await reachable(at_most)) {
      attempt = null
      return {answer: "unreachable", again: now.again}
    }
    conn.token = token
    conn._receiver = new conn._receiver.constructor()  // the old one may have half a message in it
    const known = new Set(Bokeh.documents)
    const connected = conn.connect()
    const {socket} = conn
    const closed = new Promise((resolve) => socket.addEventListener("close", resolve))
    let answer = "unreachable"
    now.stop = () => socket.close()
    const patience = setTimeout(now.stop, at_most)
    socket.addEventListener("open", () => { answer = "unheard"; now.asks = false })
    socket.addEventListener("message", ({data}) => {
      clearTimeout(patience)
      if (typeof data == "string" && data.startsWith(`{"${type}"`)) answer = JSON.parse(data)[type]
    })
    try {
      await connected
      if (conn.socket == socket) answer = "connected"
    } catch {
      socket.close()
      await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 3000))])
    }
    clearTimeout(patience)
    for (const spare of Bokeh.documents.filter((other) => !known.has(other) && other.roots().length == 0)) {
      Bokeh.documents.splice(Bokeh.documents.indexOf(spare), 1)  // each pull leaves an empty one behind
    }
    attempt = null
    return {answer, again: now.again}
  }

  // Whether the server answers at all, or a proxy that does not say that there is none behind it.
  async function reachable(at_most) {
    const control = new AbortController()
    attempt.stop = () => control.abort()
    const patience = setTimeout(attempt.stop, at_most)
    try {
      const url = conn.url.replace(/^ws/, "http").replace(/\/ws$/, "/metadata")
      const {status} = await fetch(url, {mode: "no-cors", cache: "no-store", signal: control.signal})
      return ![502, 503, 504].includes(status)
    } catch {
      return false
    } finally {
      clearTimeout(patience)
    }
  }
}

// BokehJS sends a document that it has just pulled back to the server, as if the page had made it. What the new models
// themselves found out about the page meanwhile is sent.
function without_echo(doc, send, replace) {
  const events = [], collect = (event) => events.push(event)
  doc.remove_on_change(send)
  doc.on_change(collect, true)
  try {
    replace()
  } finally {
    doc.remove_on_change(collect)
    doc.on_change(send, true)
    doc._new_models.clear()
  }
  const models = doc.all_models
  const own = ({kind, model}) => !["RootAdded", "RootRemoved", "TitleChanged"].includes(kind) && models.has(model)
  for (const event of events) if ((event.events ?? [event]).every(own)) send(event)
}

function put_buffers(value, buffers) {
  if (value == null || typeof value != "object") return
  if (value.type == "bytes" && buffers.has(value.data?.id)) value.data = {buffer: buffers.get(value.data.id)}
  else for (const item of Object.values(value)) put_buffers(item, buffers)
}

// Panel's own words come from handlers of its notification area, which say "re-established" whatever was lost.
function silence_panel(doc) {
  const others = (handlers) => handlers.filter((h) => !(typeof h == "function" && String(h).includes("reconnect_toast")))
  for (const name of ["connection_lost", "client_reconnected"]) {
    doc._document_callbacks.set(name, others(doc._document_callbacks.get(name) ?? []))
  }
  const on_event = doc.on_event.bind(doc)
  doc.on_event = (event, ...handlers) => on_event(event, ...others(handlers))
}

// What is said stands in one element with role=status; where Panel's notifications are on, they show it too.
function make_notice(doc) {
  const element = document.createElement("div")
  element.id = type
  element.setAttribute("role", "status")
  element.setAttribute("aria-live", "polite")
  document.body.append(element)
  const look = "position: fixed; z-index: 10000; left: 50%; bottom: 1em; transform: translateX(-50%); padding: 0.6em 1em;" +
    "border-radius: 4px; font: 14px sans-serif; color: white; box-shadow: 0 2px 8px #0006; background: "
  const hidden = "position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)"
  const kinds = {lost: ["error", "#a33327"], resumed: ["success", "#1f6f3f"], restored: ["success", "#1f6f3f"],
    restarted: ["warning", "#7a5200"], said: ["warning", "#7a5200"], refused: ["error", "#a33327"]}
  const buttons = {lost: "now", restarted: "close", said: "close", refused: "reload"}
  const does = {reload: () => location.reload(), close: hide}
  let toaster = null, toast = null, timer = null
  hide()
  return {show}

  function hide() {
    if (toast != null) toaster.dismiss(toast)
    toast = null
    element.style.cssText = hidden
    element.replaceChildren()
    element.dataset.outcome = ""
  }

  function show(outcome, action, text = texts[outcome]) {
    clearTimeout(timer)
    hide()
    const [kind, colour] = kinds[outcome]
    element.dataset.outcome = outcome
    element.append(text)
    let at = element
    const area = [...doc.all_models].find((model) => model.data?.js_events != null)?.data
    if (area != null && typeof Notyf != "undefined") {
      const [y, x] = area.position.split("-")
      toaster ??= new Notyf({dismissible: false, ripple: false, position: {x, y}, types: area.types})
      toast = toaster.open({type: kind, message: text, duration: 0, className: `notyf__toast ${type}`})
      at = [...document.querySelectorAll(`.${type} .notyf__message`)].at(-1) ?? element
    } else {
      element.style.cssText = look + colour
    }
    const name = buttons[outcome]
    if (name != null) {
      const button = document.createElement("button")
      button.textContent = texts[name]
      button.style.cssText = "margin-left: 1em; font: inherit; color: inherit; background: none; border: 1px solid; " +
        "border-radius: 3px; cursor: pointer"
      button.addEventListener("click", does[name] ?? action)
      at.append(button)
    } else {
      timer = setTimeout(hide, 5000)
    }
  }
}
