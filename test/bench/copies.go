package main

import (
	"fmt"
	"os"

	"github.com/hallmark-project/hallmark/internal/peer"
)

// copies move the image of two platforms, without evidence, to an empty registry and to a
// layout.
func (b *bench) copies(r *registry) []operation {
	var to destination
	needs := []need{{"registry " + r.name, func() error { return r.start(b) }}}
	from := func() string { return r.host + "/" + original + "@" + r.index }
	skopeo := func(to string) script {
		return commands([]string{b.skopeo, "copy", "--quiet", "--all", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false", "docker://" + from(), to})
	}
	ours := func(to string) script { return commands([]string{b.hallmark, "copy", "-q", from(), to}) }
	return []operation{
		{name: "copy to another registry", peer: bySkopeo, at: r, latency: 20 * ms, needs: needs, after: func() { to.stop() },
			prepare: func(bool) (string, error) { return "app/copy:v1", to.start() }, proxies: func() []*proxy { return []*proxy{r.proxy, to.proxy} },
			ours: func(ref string) script { return ours(to.host + "/" + ref) }, theirs: func(ref string) script { return skopeo("docker://" + to.host + "/" + ref) }},
		{name: "copy to a layout", peer: bySkopeo, at: r, latency: 20 * ms, needs: needs,
			prepare: func(bool) (string, error) { return "oci:copied:v1", os.RemoveAll(b.path("copied")) }, ours: ours, theirs: skopeo},
	}
}

// destination is an empty registry for one run.
type destination struct {
	host  string
	proxy *proxy
	stops []func()
}

func (d *destination) start() error {
	backend, stop, err := peer.Memory()
	if err != nil {
		return err
	}
	d.stops = append(d.stops, stop)
	if d.proxy, d.host, stop, err = startProxy(backend); err != nil {
		return fmt.Errorf("the proxy of the destination: %w", err)
	}
	d.stops = append(d.stops, stop)
	return nil
}

func (d *destination) stop() {
	for _, stop := range d.stops {
		stop()
	}
	d.stops = nil
}
