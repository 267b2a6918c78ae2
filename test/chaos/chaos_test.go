package chaos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

// The commands of the table, in its order.
const (
	doesRelease   = "release"
	verifyGood    = "verify, a released image"
	verifyBare    = "verify, an unsigned image"
	verifyForeign = "verify, another signer's image"
	copyRegistry  = "copy to a registry"
	copyLayout    = "copy to a layout"
)

var commands = []string{doesRelease, verifyGood, verifyBare, verifyForeign, copyRegistry, copyLayout}

const allEvidence = "signature,spdx,cyclonedx"

// How much is spoiled: every third request, or most.
const (
	someRate = 1.0 / 3
	mostRate = 2.0 / 3
)

// plan is what one run of each command meets. It follows from the seed and the number
// of the run alone.
type plan struct {
	n     int
	seed  uint64
	fault string // its name in the table
	kinds []Fault
	rate  float64
	to    int // the registry that is worked on, and the source or target of copies
	from  int
}

func newPlan(n int, seed uint64) plan {
	p := plan{n: n, seed: seed + uint64(n), fault: "all of them", kinds: Faults, rate: someRate, to: n % 2, from: (n / 2) % 2}
	if kind := n % (len(Faults) + 1); kind < len(Faults) {
		p.kinds = Faults[kind : kind+1]
		p.fault = string(Faults[kind])
	}
	if n%4 == 3 {
		p.rate = mostRate
	}
	return p
}

// chaos is the test: images that are there before, and what became of the runs.
type chaos struct {
	*testing.T
	*lab
	table   table
	stall   time.Duration
	samples []samples // by registry
	seed    uint64
}

// samples are repositories of one registry with images to verify and copy.
type samples struct{ good, bare, foreign sample }

type sample struct {
	repository
	image *testkit.Image
}

// TestChaos: behind a proxy that spoils every third request, or most, every command
// gives the right answer or exit code 5, and the next run without the proxy finishes
// what was begun.
func TestChaos(t *testing.T) {
	l := open(t)
	c := &chaos{T: t, lab: l, stall: duration(t, "STALL", defaultStall), seed: uint64(number(t, "CHAOS_SEED", int(time.Now().Unix()%1e6)))}
	for _, r := range l.registries {
		c.samples = append(c.samples, c.prepare(r))
	}
	copies := l.has("copy")
	if !copies && os.Getenv("HALLMARK_NO_SKIP") != "" {
		t.Error("HALLMARK_NO_SKIP is set, and this hallmark has no command copy")
	}
	t.Logf("CHAOS_SEED=%d", c.seed)
	only := number(t, "CHAOS_ONLY", -1)
	each(number(t, "RUNS", defaultRuns), func(n int) {
		if only >= 0 && n != only {
			return
		}
		p := newPlan(n, c.seed)
		c.releases(p)
		c.verifies(p)
		if copies {
			c.copiesToRegistry(p)
			c.copiesToLayout(p)
		}
	})
	c.table.keep(t)
}

// prepare puts an image that was released, one without evidence and one that somebody
// else signed into a registry.
func (c *chaos) prepare(r *registry) samples {
	c.Helper()
	make := func(name, key string) sample {
		s := sample{repository{r, "samples/" + name}, testkit.NewIndex(testkit.File("name", name))}
		if err := s.push(s.image, "v1"); err != nil {
			c.Fatal(err)
		}
		if key != "" {
			c.must(c.T, "release", "--key", c.key(key), s.ref(s.image.Digest()))
		}
		return s
	}
	return samples{good: make("good", "release"), bare: make("bare", ""), foreign: make("foreign", "mallory")}
}

// wrong reports a run that did what must not be, and how to repeat it.
func (c *chaos) wrong(p plan, out output, format string, args ...any) {
	c.Helper()
	c.Errorf("run %d, %s at rate %.2f on %s: %s\nrepeat it: CHAOS_SEED=%d CHAOS_ONLY=%d RUNS=%d make chaos\n%s",
		p.n, p.fault, p.rate, c.registries[p.to].name, fmt.Sprintf(format, args...), c.seed, p.n, p.n+1, out)
}

// proxy starts one that follows the plan.
func (c *chaos) proxy(p plan, r *registry, salt uint64) *Proxy {
	c.Helper()
	proxy, err := NewProxy(r.host, p.seed<<8+salt)
	if err != nil {
		c.Fatal(err)
	}
	proxy.Kinds, proxy.Rate, proxy.Stall = p.kinds, p.rate, c.stall
	return proxy
}

// allowed reports a code that is none of those given.
func (c *chaos) allowed(p plan, out output, codes ...int) bool {
	c.Helper()
	if slices.Contains(codes, out.code) {
		return true
	}
	c.wrong(p, out, "want one of the exit codes %v", codes)
	return false
}

// releases lets hallmark release an image of its own through the proxy.
func (c *chaos) releases(p plan) {
	c.Helper()
	repo := repository{c.registries[p.to], fmt.Sprintf("release/%d", p.n)}
	image := testkit.NewIndex(testkit.File("run", strconv.Itoa(p.n)))
	if err := repo.push(image, "v1"); err != nil {
		c.Error(err)
		return
	}
	proxy := c.proxy(p, repo.registry, 1)
	defer proxy.Close()
	root := image.Digest()
	out := c.run("release", "--key", c.key("release"), repo.through(proxy, root))
	c.table.add(p.fault, doesRelease, out, proxy.Counts())
	if !c.allowed(p, out, 0, 5) {
		return
	}
	if out.code == 5 {
		proxy.Calm() // a statement names the registry: another host would be another one
		if again := c.run("release", "--key", c.key("release"), repo.through(proxy, root)); again.code != 0 {
			c.wrong(p, again, "the next run does not finish the release")
			return
		}
	}
	if err := c.released(repo, image); err != nil {
		c.wrong(p, out, "after the release: %v", err)
	}
}

// released says what is wrong with an image that was released: it does not verify, or
// its evidence is not there exactly once.
func (c *chaos) released(repo repository, image *testkit.Image) error {
	if out := c.run("verify", "--key", c.public("release"), "--require", allEvidence, repo.ref(image.Digest())); out.code != 0 {
		return fmt.Errorf("%s", out)
	}
	have, err := take(repo, image.Digest())
	if err != nil {
		return err
	}
	return exactlyOnce(have, image)
}

// exactlyOnce wants each statement of a release once: a signature of the index, and
// signature and two SBOMs of each platform.
func exactlyOnce(have holdings, image *testkit.Image) error {
	want := map[digest.Digest]int{image.Digest(): 1}
	for _, child := range image.Children {
		want[child.Digest()] = 3
	}
	for subject, n := range want {
		kinds, err := have.statements(subject)
		if err != nil {
			return err
		}
		for kind, times := range kinds {
			if times != 1 {
				return fmt.Errorf("%d statements of type %s about %s", times, kind, subject)
			}
		}
		if len(kinds) != n {
			return fmt.Errorf("%d statements about %s, want %d: %v", len(kinds), subject, n, kinds)
		}
	}
	return nil
}

// verifies lets hallmark verify what is good, bare and somebody else's through the proxy.
func (c *chaos) verifies(p plan) {
	c.Helper()
	s := c.samples[p.to]
	for salt, v := range []struct {
		name string
		sample
		code int
	}{{verifyGood, s.good, 0}, {verifyBare, s.bare, 4}, {verifyForeign, s.foreign, 3}} {
		proxy := c.proxy(p, v.registry, uint64(10+salt))
		out := c.run("verify", "--key", c.public("release"), "--require", allEvidence, v.through(proxy, v.image.Digest()))
		c.table.add(p.fault, v.name, out, proxy.Counts())
		c.allowed(p, out, v.code, 5)
		proxy.Close()
	}
}

// copiesToRegistry copies a released image, from registry to registry, both behind
// proxies.
func (c *chaos) copiesToRegistry(p plan) {
	c.Helper()
	source := c.samples[p.from].good
	target := repository{c.registries[p.to], fmt.Sprintf("copy/%d", p.n)}
	from, to := c.proxy(p, source.registry, 20), c.proxy(p, target.registry, 21)
	defer from.Close()
	defer to.Close()
	root := source.image.Digest()
	out := c.run("copy", source.through(from, root), to.Host+"/"+target.name+":v1")
	c.table.add(p.fault, copyRegistry, out, from.Counts(), to.Counts())
	if !c.allowed(p, out, 0, 5) {
		return
	}
	if out.code == 5 {
		from.Calm()
		to.Calm()
		if again := c.run("copy", source.through(from, root), to.Host+"/"+target.name+":v1"); again.code != 0 {
			c.wrong(p, again, "the next run does not finish the copy")
			return
		}
	}
	c.copied(p, out, source, target)
}

// copied wants everything of a source in a copy.
func (c *chaos) copied(p plan, out output, source sample, target store) {
	c.Helper()
	want, err := take(source, source.image.Digest())
	if err != nil {
		c.Error(err)
		return
	}
	got, err := take(target, source.image.Digest())
	if err == nil {
		err = want.lacks(got)
	}
	if err == nil && len(want.referrers) == 0 {
		err = fmt.Errorf("the source has no referrers")
	}
	if err != nil {
		c.wrong(p, out, "after the copy: %v", err)
	}
}

// copiesToLayout copies a released image to a layout folder, which has to be whole at
// every moment.
func (c *chaos) copiesToLayout(p plan) {
	c.Helper()
	source := c.samples[p.from].good
	dir := filepath.Join(c.TempDir(), "layout")
	from := c.proxy(p, source.registry, 30)
	defer from.Close()
	watcher := watchLayout(dir)
	root := source.image.Digest()
	out := c.run("copy", source.through(from, root), "oci:"+dir+":v1")
	c.table.add(p.fault, copyLayout, out, from.Counts())
	ok := c.allowed(p, out, 0, 5)
	if ok && out.code == 5 {
		from.Calm()
		if again := c.run("copy", source.through(from, root), "oci:"+dir+":v1"); again.code != 0 {
			c.wrong(p, again, "the next run does not finish the copy")
			ok = false
		}
	}
	if err := watcher.stop(); err != nil {
		c.wrong(p, out, "the layout was not whole at some moment: %v", err)
	}
	l, err := openLayout(dir)
	if err != nil || !ok {
		c.Error(err)
		return
	}
	c.copied(p, out, source, l)
	if strays, err := l.strays(); err != nil || len(strays) > 0 {
		c.wrong(p, out, "what is left in the layout: %v, %v", strays, err)
	}
}

// layoutWatcher looks at a layout again and again.
type layoutWatcher struct {
	quit chan struct{}
	done sync.WaitGroup
	err  error
}

// watchLayout looks at a layout as soon as its index.json is there, until it is told to
// stop.
func watchLayout(dir string) *layoutWatcher {
	w := &layoutWatcher{quit: make(chan struct{})}
	w.done.Go(func() {
		for w.err == nil {
			select {
			case <-w.quit:
				return
			case <-time.After(time.Duration(5+rand.IntN(20)) * time.Millisecond):
			}
			if _, err := os.Stat(filepath.Join(dir, "index.json")); err == nil {
				w.err = layout{dir: dir}.check()
			}
		}
	})
	return w
}

func (w *layoutWatcher) stop() error {
	close(w.quit)
	w.done.Wait()
	return w.err
}
