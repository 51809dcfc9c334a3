"""A loader of YAML files that people write."""

from typing import Any, Final

import yaml

_MERGE: Final = "tag:yaml.org,2002:merge"


class UniqueKeyLoader(yaml.SafeLoader):
    """Refuses a key that occurs twice in a mapping, of which YAML's own loader would take the last.

    A key of a mapping that is merged (`<<`) may occur again: that replaces its value.
    """

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # noqa: ANN401 - the stubs have a wrong type
        """Return the next mapping.

        Raises:
            MarkedYAMLError: A key occurs twice.
        """
        # Checked here, because the merged keys are added to the node before its mapping is constructed.
        node = super().compose_mapping_node(anchor)
        seen: set[object] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            value = self.construct_object(key)
            if value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} occurs twice", problem_mark=key.start_mark)
            seen.add(value)
        return node
