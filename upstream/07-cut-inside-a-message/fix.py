"""Put in place by import: BokehJS begins each connection with a Receiver that holds nothing. Served with each page."""

import bokeh.embed.server

FIX = """
const {ClientConnection} = Bokeh.require("client/connection")
const {Receiver} = Bokeh.require("protocol/receiver")
const connect = ClientConnection.prototype.connect
ClientConnection.prototype.connect = function () {
  this._receiver = new Receiver()
  return connect.call(this)
}
"""
bundle_for_objs_and_resources = bokeh.embed.server.bundle_for_objs_and_resources


def with_fix(*args, **kwargs):
    bundle = bundle_for_objs_and_resources(*args, **kwargs)
    bundle.js_raw.append(FIX)
    return bundle


bokeh.embed.server.bundle_for_objs_and_resources = with_fix
