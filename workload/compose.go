package workload

import (
	"go.yaml.in/yaml/v3"
)

// compose finds the images of the services of a compose file. A service that is only
// built has none.
func (f *yamlFile) compose(root *yaml.Node) error {
	services := child(root, "services")
	if services == nil || services.Kind == yaml.ScalarNode && services.ShortTag() == "!!null" {
		return nil
	}
	if services.Kind != yaml.MappingNode {
		return f.wrong(services, "services has to have names of services in it: is this a compose file?")
	}
	var first error
	members(services, func(key, value *yaml.Node) {
		if first == nil {
			first = f.service(key.Value, value)
		}
	})
	return first
}

func (f *yamlFile) service(name string, service *yaml.Node) error {
	before := len(f.images)
	if err := f.interpolated(child(service, "image"), "service "+name); err != nil {
		return err
	}
	if child(service, "build") != nil && len(f.images) > before {
		f.images[before].Replaceable = false
		f.images[before].Reason = "the service is also built under this name: leave build or image out"
	}
	for _, volume := range elements(child(service, "volumes")) {
		if textOf(child(volume, "type")) != "image" {
			continue
		}
		if err := f.interpolated(child(volume, "source"), "service "+name+", volume"); err != nil {
			return err
		}
	}
	return nil
}

// interpolated takes in an image in which variables are put.
func (f *yamlFile) interpolated(n *yaml.Node, what string) error {
	t, ok, err := f.text(n, what)
	if err != nil || !ok {
		return err
	}
	t, err = expander{lookup: f.environment}.expand(t)
	if err != nil {
		return f.wrong(n, "%s: %v", plain(what), err)
	}
	return f.add(n, what, t)
}

func (f *yamlFile) environment(name string) variable {
	value, ok := f.given[name]
	return variable{value: foreign(value), set: ok}
}
