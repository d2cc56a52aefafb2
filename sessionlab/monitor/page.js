// The theme of the page and of the canvases in it, and a word when the page has lost its own server.
(() => {
  const root = document.documentElement, prefers = matchMedia("(prefers-color-scheme: dark)")
  const asked = new URLSearchParams(location.search).get("theme")
  const quietly = {sync: false} // colours are the browser's business: the server is not told
  let chosen = ["light", "dark"].includes(asked) ? asked : null
  let plots = [], end = 0, since = Date.now()

  function paint() {
    root.dataset.theme = chosen ?? (prefers.matches ? "dark" : "light")
    const style = getComputedStyle(root), colour = (name) => style.getPropertyValue(name).trim()
    const [card, edge, dim, ink] = ["--card", "--edge", "--dim", "--ink"].map(colour)
    for (const plot of plots) {
      plot.setv({background_fill_color: card, border_fill_color: card, outline_line_color: edge}, quietly)
      for (const axis of [...plot.below, ...plot.left])
        axis.setv({major_label_text_color: dim, axis_line_color: edge, major_tick_line_color: edge}, quietly)
      for (const grid of plot.center)
        grid.setv({grid_line_color: edge}, quietly)
      for (const renderer of plot.renderers.filter(({name}) => name == "ink"))
        renderer.glyph.setv({line_color: {value: ink}}, quietly)
    }
  }

  function look() {
    const doc = window.Bokeh?.documents?.[0]
    const found = ["bars", "counts", "memory"].map((name) => doc?.get_model_by_name("plot-" + name))
    if (!found.every(Boolean)) return
    if (found[0] != plots[0]) { // the first time, and when the page has come back to its server
      plots = found
      paint()
    }
    if (plots[0].x_range.end != end) [end, since] = [plots[0].x_range.end, Date.now()]
    document.getElementById("lost").hidden = Date.now() - since < 3000
  }

  document.getElementById("theme").addEventListener("click", () => {
    chosen = root.dataset.theme == "dark" ? "light" : "dark"
    paint()
  })
  prefers.addEventListener("change", paint)
  paint()
  setInterval(look, 200)
})()
