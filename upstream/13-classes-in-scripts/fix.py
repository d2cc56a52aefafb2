"""Put in place by import: what is known of a class is kept on the class, and registries refer to classes weakly."""

import weakref

from bokeh.core import has_props
from bokeh.core.has_props import HasProps
from panel.reactive import Syncable
from panel.theme.base import Design
from panel.util import classproperty


def on_the_class(function, name):
    """As `lru_cache` for a function of a class, with the cache where the class is."""
    entry = f"_cached_{name}"

    def cached(cls, **options):
        known = vars(cls).get(entry)
        if known is None:
            known = {}
            type.__setattr__(cls, entry, known)
        key = tuple(sorted(options.items()))
        if key not in known:
            known[key] = function(cls, **options)
        return known[key]

    return cached


for name in ("properties", "descriptors", "properties_with_refs", "dataspecs"):
    lru = vars(HasProps)[name].__func__
    type.__setattr__(HasProps, name, classmethod(on_the_class(lru.__wrapped__, name)))
    lru.cache_clear()

mapping = vars(Syncable)["_property_mapping"].f
type.__setattr__(Syncable, "_property_mapping", classproperty(on_the_class(mapping.__wrapped__, "_property_mapping")))
mapping.cache_clear()

resolver = has_props._default_resolver
resolver._known_models = weakref.WeakValueDictionary(resolver._known_models)

resolve = vars(Design)["_resolve_modifiers"].__func__
resolved = weakref.WeakKeyDictionary()


def _resolve_modifiers(cls, vtype, theme, is_server=False):
    known = resolved.setdefault(vtype, {})
    if (cls, theme, is_server) not in known:
        known[cls, theme, is_server] = resolve.__wrapped__(cls, vtype, theme, is_server)
    return known[cls, theme, is_server]


Design._resolve_modifiers = classmethod(_resolve_modifiers)
