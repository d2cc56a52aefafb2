"""What is built: the wheel carries the lab. The course needs the repository around it, and so do its launcher tiles."""

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CourseStaysHere(BuildHookInterface):
    def initialize(self, version: str, build_data: dict) -> None:
        if version == "standard":  # and not "editable", which is how the repository installs itself
            self.metadata.core.entry_points.pop("jupyter_serverproxy_servers")
