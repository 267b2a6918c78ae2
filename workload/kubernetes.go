package workload

import (
	"strconv"

	"go.yaml.in/yaml/v3"
)

// manifest finds the pods in an object, wherever it has them: in a template of any
// depth, also in a kind that nobody knows, and in each object of a list. What has no
// pods has no images.
func (f *yamlFile) manifest(root *yaml.Node) error {
	return (&manifest{file: f, seen: map[*yaml.Node]bool{}}).walk(root, "")
}

// manifest is the state of a walk; what an alias leads to is looked at once.
type manifest struct {
	file *yamlFile
	seen map[*yaml.Node]bool
}

func (m *manifest) walk(n *yaml.Node, owner string) error {
	n = target(n)
	if n.Kind != yaml.MappingNode && n.Kind != yaml.SequenceNode || m.seen[n] {
		return nil
	}
	m.seen[n] = true
	if n.Kind == yaml.MappingNode {
		owner = ownerName(n, owner)
		if err := m.pod(n, owner); err != nil {
			return err
		}
	}
	for i, part := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			continue // a key
		}
		if err := m.walk(part, owner); err != nil {
			return err
		}
	}
	return nil
}

// ownerName is the kind and name of an object, for people; what is no object belongs
// to the one around it.
func ownerName(n *yaml.Node, around string) string {
	kind := textOf(child(n, "kind"))
	if kind == "" || around != "" && textOf(child(n, "apiVersion")) == "" {
		return around
	}
	meta := child(n, "metadata")
	name := textOf(child(meta, "name"))
	if name == "" {
		name = textOf(child(meta, "generateName"))
	}
	if name == "" {
		return kind
	}
	return kind + " " + name
}

// containerLists are the fields of a pod that have containers.
var containerLists = []struct{ field, name string }{
	{"initContainers", "init container"}, {"containers", "container"}, {"ephemeralContainers", "ephemeral container"},
}

// pod finds the images of a mapping that is the spec of a pod. What is merged in counts
// also where the mapping itself says something else: readers of YAML differ about which
// of the two they take.
func (m *manifest) pod(n *yaml.Node, owner string) error {
	isPod := false
	for _, list := range containerLists {
		for _, containers := range children(n, list.field) {
			isPod = isPod || containers.Kind == yaml.SequenceNode
			for i, container := range elements(containers) {
				what := owner + ", " + list.name + " " + nameOf(container, i)
				if err := m.images(children(container, "image"), what); err != nil {
					return err
				}
			}
		}
	}
	if !isPod {
		return nil
	}
	for _, volumes := range children(n, "volumes") {
		for i, volume := range elements(volumes) {
			for _, image := range children(volume, "image") {
				if err := m.images(children(image, "reference"), owner+", volume "+nameOf(volume, i)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// nameOf is the name of an element, else its number.
func nameOf(n *yaml.Node, number int) string {
	if name := textOf(child(n, "name")); name != "" {
		return name
	}
	return strconv.Itoa(number)
}

func (m *manifest) images(list []*yaml.Node, what string) error {
	for _, n := range list {
		t, ok, err := m.file.text(n, what)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if err := m.file.add(n, what, t); err != nil {
			return err
		}
	}
	return nil
}
