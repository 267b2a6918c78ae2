package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

// superseded is the type that one process attests again and again, without a key: what
// trusted time shows to be older is there to be pruned.
const superseded = "https://example.com/again"

// TestTogether: eight processes attest, copy, prune and verify on one repository for a
// while. Every attestation that was acknowledged is there afterwards, and no verdict
// was wrong at any time.
func TestTogether(t *testing.T) {
	l := open(t)
	for _, r := range l.registries {
		t.Run(r.name, func(t *testing.T) {
			l.need(t, "copy", "prune")
			newTogether(t, l, r).work(duration(t, "TOGETHER", defaultTogether))
		})
	}
}

// together is what the processes share.
type together struct {
	*testing.T
	*lab
	sample
	digest digest.Digest // of the image that all is about
	mirror repository
	signer *sigstore

	mu    sync.Mutex
	types []string // that were attested, each once
	again int      // attestations of the superseded type
	codes map[string]map[int]int
	worst map[string]time.Duration // the longest run of each command
}

func newTogether(t *testing.T, l *lab, r *registry) *together {
	t.Helper()
	s := sample{repository{r, "together/app"}, testkit.NewImage()}
	if err := s.push(s.image, "v1"); err != nil {
		t.Fatal(err)
	}
	g := &together{T: t, lab: l, sample: s, digest: s.image.Digest(), mirror: repository{r, "together/mirror"}, codes: map[string]map[int]int{}, worst: map[string]time.Duration{},
		signer: openSandbox(t, l)}
	l.must(t, "release", "--key", l.key("release"), g.subject())
	l.must(t, append([]string{"sign", g.subject()}, g.signer.signs(t, filepath.Join(t.TempDir(), "token"))...)...) // who prunes must trust what stays
	return g
}

func (g *together) subject() string { return g.ref(g.digest) }

// work lets eight processes work for a while and looks at what they left.
func (g *together) work(long time.Duration) {
	stop := time.Now().Add(long)
	var group sync.WaitGroup
	for worker, job := range []func(worker, n int){
		g.attests, g.attests, g.attestsAgain, g.copies, g.copiesOut, g.prunes, g.verifies, g.verifiesForeign,
	} {
		group.Go(func() {
			for n := 0; time.Now().Before(stop) && !g.Failed(); n++ {
				job(worker, n)
			}
		})
	}
	group.Wait()
	g.Logf("%s: %d types attested, %d times one again, exit codes %v, the longest runs %v", g.registry.name, len(g.types), g.again, g.codes, g.worst)
	if len(g.types) == 0 || g.again == 0 {
		g.Fatal("nothing was attested: this test shows nothing")
	}
	g.nothingLost()
	g.pruned()
	g.mirrored()
}

// wants runs hallmark and wants one of some exit codes.
func (g *together) wants(codes []int, args ...string) output {
	g.Helper()
	out := g.run(args...)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.codes[args[0]] == nil {
		g.codes[args[0]] = map[int]int{}
	}
	g.codes[args[0]][out.code]++
	g.worst[args[0]] = max(g.worst[args[0]], out.took.Round(time.Second/10))
	if out.code == 5 && g.codes[args[0]][5] == 1 { // one of each command tells enough
		g.Logf("%s", out)
	}
	if !slices.Contains(codes, out.code) {
		g.Errorf("want one of the exit codes %v\n%s", codes, out)
	}
	return out
}

// attest attests a small predicate, and reports whether that was acknowledged.
func (g *together) attest(worker, n int, kind string, signer ...string) bool {
	file := filepath.Join(g.TempDir(), "predicate.json")
	if err := os.WriteFile(file, fmt.Appendf(nil, `{"worker":%d,"n":%d}`, worker, n), 0o600); err != nil {
		g.Error(err)
		return false
	}
	out := g.wants([]int{0, 5}, append([]string{"attest", "--type", kind, "--predicate", file, g.subject()}, signer...)...)
	return out.code == 0
}

func (g *together) attests(worker, n int) {
	kind := fmt.Sprintf("https://example.com/worker-%d/%d", worker, n)
	if g.attest(worker, n, kind, "--key", g.key("release")) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.types = append(g.types, kind)
	}
}

func (g *together) attestsAgain(worker, n int) {
	if g.attest(worker, n, superseded, g.signer.signs(g.T, filepath.Join(g.TempDir(), "token"))...) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.again++
	}
}

// copies takes everything to one place, again and again.
func (g *together) copies(int, int) {
	g.wants([]int{0, 5}, "copy", g.subject(), g.mirror.host+"/"+g.mirror.name+":v1")
}

// copiesOut copies to a new layout each time, which has to be whole.
func (g *together) copiesOut(_, n int) {
	l := layout{dir: filepath.Join(g.TempDir(), "layout")}
	out := g.wants([]int{0, 5}, "copy", g.subject(), "oci:"+l.dir+":v1")
	if out.code != 0 {
		return
	}
	if err := l.check(); err != nil {
		g.Errorf("copy %d: %v\n%s", n, err, out)
	}
	if err := os.RemoveAll(l.dir); err != nil {
		g.Error(err)
	}
}

func (g *together) prunes(int, int) { g.prune(0, 5) }

func (g *together) prune(codes ...int) {
	g.wants(codes, append([]string{"prune", "--yes", g.subject()}, g.signer.trusts()...)...)
}

func (g *together) verifies(int, int) {
	g.wants([]int{0, 5}, "verify", "--key", g.public("release"), "--require", allEvidence, g.subject())
}

func (g *together) verifiesForeign(int, int) {
	g.wants([]int{3, 5}, "verify", "--key", g.public("mallory"), g.subject())
}

// nothingLost wants every acknowledged attestation listed and read by hallmark, and by
// other code.
func (g *together) nothingLost() {
	g.Helper()
	have, err := take(g.sample, g.digest)
	if err != nil {
		g.Fatal(err)
	}
	kinds, err := have.statements(g.digest)
	if err != nil {
		g.Fatal(err)
	}
	var lost []string
	args := []string{"verify", "--key", g.public("release"), "--require", allEvidence}
	for _, kind := range g.types {
		if kinds[kind] == 0 {
			lost = append(lost, kind)
		}
		args = append(args, "--require", kind)
	}
	if len(lost) > 0 || kinds[superseded] == 0 {
		g.Errorf("lost of %d: %s; %d of the type attested again and again are left", len(g.types), strings.Join(lost, " "), kinds[superseded])
	}
	g.wants([]int{0}, append(args, g.subject())...)
	g.wants([]int{0}, append([]string{"verify", "--require", superseded, g.subject()}, g.signer.trusts()...)...)
}

// pruned wants a last prune to leave the newest of what was attested again and again,
// and all else alone.
func (g *together) pruned() {
	g.Helper()
	time.Sleep(2 * time.Second) // timestamps count seconds
	g.attestsAgain(-1, -1)
	g.prune(0)
	have, err := take(g.sample, g.digest)
	if err != nil {
		g.Fatal(err)
	}
	kinds, err := have.statements(g.digest)
	if err != nil {
		g.Fatal(err)
	}
	if kinds[superseded] != 1 {
		g.Errorf("%d attestations of type %s are left after a last prune, want the newest", kinds[superseded], superseded)
	}
	g.nothingLost()
}

// mirrored wants a last copy to hold all that is there.
func (g *together) mirrored() {
	g.Helper()
	g.wants([]int{0}, "copy", g.subject(), g.mirror.host+"/"+g.mirror.name+":v1")
	want, err := take(g.sample, g.digest)
	if err != nil {
		g.Fatal(err)
	}
	got, err := take(g.mirror, g.digest)
	if err != nil {
		g.Fatal(err)
	}
	for subject, referrers := range want.referrers {
		for _, referrer := range referrers {
			if !slices.Contains(got.referrers[subject], referrer) {
				g.Errorf("the mirror lacks %s", referrer)
			}
		}
	}
}
