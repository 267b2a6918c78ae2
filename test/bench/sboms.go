package main

import (
	"fmt"
	"os"
)

// sbomOperations make SPDX of the real image for linux/amd64, from a layout that holds
// nothing else and from a registry, and of a big one.
func (b *bench) sbomOperations() []operation {
	single := need{"layout of one platform", b.singleLayout}
	started := need{"registry distribution", func() error { return b.distribution.start(b) }}
	fromRegistry := func(bool) (string, error) {
		return b.distribution.host + "/" + original + "@" + b.distribution.platforms["amd64"], nil
	}
	layout := func(name string) func(bool) (string, error) {
		return func(bool) (string, error) { return b.path(name), nil }
	}
	list := []operation{
		{name: "SBOM, cold, from a layout", needs: []need{single}, prepare: layout("single"), ours: b.sbom("oci:%s:app"), theirs: b.syftScan("oci-dir:")},
		{name: "SBOM, cold, from a registry", at: b.distribution, needs: []need{started}, prepare: fromRegistry, ours: b.sbom("%s"), theirs: b.syftScan("registry:")},
	}
	if b.caches {
		again := func(name, form, syft string, needs need, at *registry, where func(bool) (string, error)) operation {
			return operation{name: name, at: at, needs: []need{needs}, prepare: b.primed(form, where), ours: b.sbom(form, cached...), theirs: b.syftScan(syft)}
		}
		list = append(list,
			again("SBOM, again, from a layout", "oci:%s:app", "oci-dir:", single, nil, layout("single")),
			again("SBOM, again, from a registry", "%s", "registry:", started, b.distribution, fromRegistry))
	}
	list = append(list, operation{name: "SBOM of 1 GB in ten layers, from a layout", runs: heavyRuns, needs: []need{{"image of 1 GB", b.bigLayout}},
		prepare: layout("big"), ours: b.sbom("oci:%s:app"), theirs: b.syftScan("oci-dir:")})
	for i := range list {
		list[i].peer = bySyft
	}
	return list
}

// cached lets a run use what an earlier one left. All others are cold.
var cached = []string{noCache + "=false"} // below HOME, which is the bench's

func (b *bench) sbom(form string, env ...string) func(string) script {
	return func(where string) script {
		return script{commands: [][]string{{b.hallmark, "sbom", "-q", fmt.Sprintf(form, where), "-o", "spdx-json=ours.spdx.json"}}, env: env}
	}
}

func (b *bench) syftScan(scheme string) func(string) script {
	return func(where string) script {
		return commands([]string{b.syft, "scan", "-q", "--platform", linuxAMD64, scheme + where, "-o", "spdx-json=theirs.spdx.json"})
	}
}

// primed has an SBOM made before the run that is measured.
func (b *bench) primed(form string, where func(bool) (string, error)) func(bool) (string, error) {
	return func(ours bool) (string, error) {
		ref, err := where(ours)
		if err != nil || !ours {
			return ref, err
		}
		_, err = b.measured(b.sbom(form, cached...)(ref))
		return ref, err
	}
}

// singleLayout is a layout with the image for linux/amd64 alone: syft takes no other.
func (b *bench) singleLayout() error {
	layout, err := b.layout()
	if err != nil {
		return err
	}
	return b.execute(b.skopeo, "copy", "--quiet", "--override-os", "linux", "--override-arch", "amd64", "--preserve-digests",
		"oci:"+layout+":"+imageTag, "oci:"+b.path("single")+":"+imageTag)
}

// bigLayout is an image of 1 GB.
func (b *bench) bigLayout() error {
	if err := os.MkdirAll(b.path("big"), 0o700); err != nil {
		return err
	}
	size := int64(bigSize)
	if b.quick {
		size /= 10
	}
	return writeBigImage(b.path("big"), b.path("single"), size)
}
