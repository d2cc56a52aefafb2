"""The hooks of a directory application."""


def on_server_loaded(server_context):
    print("hook: on_server_loaded, in app_hooks.py", flush=True)


def on_session_created(session_context):
    print("hook:   on_session_created, in app_hooks.py", flush=True)


def on_session_destroyed(session_context):
    print("hook:   on_session_destroyed, in app_hooks.py", flush=True)


def on_server_unloaded(server_context):
    print(f"hook: on_server_unloaded, in app_hooks.py; sessions alive: {len(server_context.sessions)}", flush=True)
