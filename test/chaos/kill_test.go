package chaos

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

// stagesDelay is what every request takes while processes are killed, so that most of
// the time goes into requests and a kill falls between any two of them.
const stagesDelay = 10 * time.Millisecond

// victim is a command that gets killed.
type victim struct {
	name string
	// args is the command line for a place of its own, written through the proxy.
	args func(k *kills, at place) []string
	// check says what is wrong with the place; half is true right after the kill.
	check func(k *kills, at place, half bool) error
}

// place is where one victim works.
type place struct {
	dir string // folder for layouts and archives
	repository
	proxy *Proxy
	image *testkit.Image
}

var victims = []victim{
	{"release in a registry", releaseArgs, checkReleased},
	{"release in a layout", releaseLayoutArgs, checkReleasedLayout},
	{"copy to a registry", copyArgs, checkCopied},
	{"copy to a layout", copyLayoutArgs, checkCopiedLayout},
	{"copy to an archive", copyTarArgs, checkCopiedTar},
}

// kills is the test.
type kills struct {
	*testing.T
	*lab
	sources []sample // released images, by registry
}

// TestKill: hallmark is killed at a random moment. Whatever it has written so far is
// whole, the next run completes it, and nothing stale is left.
func TestKill(t *testing.T) {
	l := open(t)
	k := &kills{T: t, lab: l}
	for _, r := range l.registries {
		s := sample{repository{r, "kill/source"}, bigIndex()}
		if err := s.push(s.image, "v1"); err != nil {
			t.Fatal(err)
		}
		l.must(t, "release", "--key", l.key("release"), s.ref(s.image.Digest()))
		k.sources = append(k.sources, s)
	}
	seed := uint64(number(t, "CHAOS_SEED", int(time.Now().Unix()%1e6)))
	t.Logf("CHAOS_SEED=%d", seed)
	n := number(t, "KILLS", defaultKills)
	for _, v := range victims {
		t.Run(v.name, func(t *testing.T) {
			if strings.HasPrefix(v.name, "copy") {
				l.need(t, "copy")
			}
			k.under(t).killEach(v, max(1, n/len(victims)), seed)
		})
	}
}

// bigIndex is an image that takes a moment to copy: its layers have some megabytes that
// cannot be compressed.
func bigIndex() *testkit.Image {
	dice := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 4<<20)
	for i := range noise {
		noise[i] = byte(dice.Uint32())
	}
	return testkit.NewIndex(testkit.File("noise", string(noise)))
}

func (k *kills) under(t *testing.T) *kills {
	other := *k
	other.T = t
	return &other
}

// killEach first lets a victim live, to know how long it takes and what it does, and
// then kills it n times.
func (k *kills) killEach(v victim, n int, seed uint64) {
	whole := k.place(v, 0)
	before := len(filesIn(whole.dir))
	out := k.run(v.args(k, whole)...)
	if out.code != 0 {
		k.Fatalf("before any kill: %s", out)
	}
	requests, files, hit := whole.proxy.Counts().Requests, len(filesIn(whole.dir))-before, 0
	for i := 1; i <= n; i++ {
		dice := rand.New(rand.NewPCG(seed, uint64(i)))
		at := k.place(v, i)
		killing := k.kill(v.args(k, at), at, dice, out.took, requests, files)
		if killing.code == killed {
			hit++
		}
		k.after(v, at, killing)
		at.proxy.Close()
	}
	k.Logf("%s: killed %d of %d times before it was done, which takes %.1f s", v.name, hit, n, out.took.Seconds())
	if hit == 0 {
		k.Error("no kill hit: this test shows nothing")
	}
}

// kill runs hallmark and kills it at a random moment, at a random request or at a
// random change in its folder.
func (k *kills) kill(args []string, at place, dice *rand.Rand, took time.Duration, requests, files int) output {
	ways := []func() output{func() output { return k.killAfter(args, time.Duration(dice.Float64()*float64(took))) }}
	if requests > 0 {
		ways = append(ways, func() output { return k.killAtRequest(args, at.proxy, 1+dice.IntN(requests)) })
	}
	if files > 0 {
		ways = append(ways, func() output { return k.killAtFile(args, at.dir, 1+dice.IntN(files)) })
	}
	return ways[dice.IntN(len(ways))]()
}

// place makes the place of the nth time, with an image of its own to release.
func (k *kills) place(v victim, n int) place {
	k.Helper()
	r := k.registries[n%len(k.registries)]
	proxy, err := NewProxy(r.host, 0)
	if err != nil {
		k.Fatal(err)
	}
	k.Cleanup(proxy.Close)
	proxy.Delay = stagesDelay
	name := strings.ReplaceAll(v.name, " ", "-")
	at := place{dir: k.TempDir(), proxy: proxy, image: testkit.NewIndex(testkit.File("run", strconv.Itoa(n))),
		repository: repository{r, fmt.Sprintf("kill/%s/%d", name, n)}}
	if strings.HasPrefix(name, "release") {
		if err := at.push(at.image, "v1"); err != nil {
			k.Fatal(err)
		}
		testkit.WriteLayout(k, filepath.Join(at.dir, "layout"), "v1", at.image)
	} else {
		at.image = k.source(at).image
	}
	return at
}

// source is the image that is copied to a place.
func (k *kills) source(at place) sample {
	for _, s := range k.sources {
		if s.registry == at.registry {
			return s
		}
	}
	panic("no source in this registry")
}

// killAfter kills hallmark after a time, if it still runs.
func (k *kills) killAfter(args []string, moment time.Duration) output {
	ctx, done := context.WithTimeout(context.Background(), moment)
	defer done()
	return watch(k.command(ctx, args...))
}

// killAtRequest kills hallmark when its nth request arrives, which the registry still
// gets to see.
func (k *kills) killAtRequest(args []string, proxy *Proxy, n int) output {
	ctx, kill := context.WithTimeout(context.Background(), k.patience)
	defer kill()
	proxy.OnEach(func(number int) {
		if number == n {
			kill()
		}
	})
	defer proxy.OnEach(nil)
	return watch(k.command(ctx, args...))
}

// killAtFile kills hallmark as soon as a folder holds n files that it did not hold
// before, temporary ones included.
func (k *kills) killAtFile(args []string, dir string, n int) output {
	ctx, kill := context.WithTimeout(context.Background(), k.patience)
	defer kill()
	before := filesIn(dir)
	ended := make(chan struct{})
	go func() {
		seen := map[string]bool{}
		for {
			select {
			case <-ended:
				return
			case <-time.After(time.Millisecond / 2):
			}
			for name := range filesIn(dir) {
				if !before[name] {
					seen[name] = true
				}
			}
			if len(seen) >= n {
				kill()
				return
			}
		}
	}()
	defer close(ended)
	return watch(k.command(ctx, args...))
}

// filesIn are the names of all files in a folder and those below.
func filesIn(dir string) map[string]bool {
	out := map[string]bool{}
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			out[path] = true
		}
		return nil // what has just gone away does not count
	})
	return out
}

// after looks at what a kill has left, and lets the next run complete it.
func (k *kills) after(v victim, at place, killing output) {
	k.Helper()
	if killing.code != killed && killing.code != 0 {
		k.Errorf("neither killed nor done: %s", killing)
	}
	if err := v.check(k, at, true); err != nil {
		k.Errorf("right after the kill: %v\n%s", err, killing)
	}
	if next := k.run(v.args(k, at)...); next.code != 0 {
		k.Errorf("the next run: %s", next)
		return
	}
	if err := v.check(k, at, false); err != nil {
		k.Errorf("after the next run: %v\n%s", err, killing)
	}
}

func releaseArgs(k *kills, at place) []string {
	return []string{"release", "--key", k.key("release"), at.through(at.proxy, at.image.Digest())}
}

func checkReleased(k *kills, at place, half bool) error {
	have, err := take(at.repository, at.image.Digest())
	if err != nil || half {
		return err
	}
	return errors.Join(exactlyOnce(have, at.image), k.verifies(at.ref(at.image.Digest())))
}

func releaseLayoutArgs(k *kills, at place) []string {
	return []string{"release", "--key", k.key("release"), "oci:" + filepath.Join(at.dir, "layout") + ":v1"}
}

func checkReleasedLayout(k *kills, at place, half bool) error {
	l := layout{dir: filepath.Join(at.dir, "layout")}
	if err := l.check(); err != nil || half {
		return err
	}
	have, err := take(l, at.image.Digest())
	if err != nil {
		return err
	}
	return errors.Join(exactlyOnce(have, at.image), noStrays(l), k.verifies("oci:"+l.dir+":v1"))
}

func copyArgs(k *kills, at place) []string {
	return []string{"copy", k.source(at).ref(at.image.Digest()), at.proxy.Host + "/" + at.name + ":v1"}
}

// checkCopied: a tag stands for an image only when all of it is there.
func checkCopied(k *kills, at place, half bool) error {
	if _, err := at.get("manifests/v1"); errors.Is(err, errMissing) && half {
		return nil
	}
	return k.complete(at, at.repository, half)
}

func copyLayoutArgs(k *kills, at place) []string {
	return []string{"copy", k.source(at).through(at.proxy, at.image.Digest()), "oci:" + filepath.Join(at.dir, "copy") + ":v1"}
}

func checkCopiedLayout(k *kills, at place, half bool) error {
	l := layout{dir: filepath.Join(at.dir, "copy")}
	if _, err := os.Stat(filepath.Join(l.dir, "index.json")); errors.Is(err, fs.ErrNotExist) && half {
		return nil
	}
	if err := l.check(); err != nil || half {
		return err
	}
	return errors.Join(k.complete(at, l, half), noStrays(l))
}

func copyTarArgs(k *kills, at place) []string {
	return []string{"copy", k.source(at).through(at.proxy, at.image.Digest()), "oci:" + filepath.Join(at.dir, "copy.tar") + ":v1"}
}

func checkCopiedTar(k *kills, at place, half bool) error {
	l, err := openLayout(filepath.Join(at.dir, "copy.tar"))
	if errors.Is(err, fs.ErrNotExist) && half {
		return nil
	}
	if err == nil {
		err = l.check()
	}
	if err != nil || half {
		return err
	}
	beside, err := os.ReadDir(at.dir)
	if err == nil && len(beside) != 1 {
		err = fmt.Errorf("beside the archive there is more: %v", beside)
	}
	return errors.Join(err, k.complete(at, l, half), noStrays(l))
}

// complete wants all of a source in a copy; of half a one only that what is there is
// whole.
func (k *kills) complete(at place, copied store, half bool) error {
	got, err := take(copied, at.image.Digest())
	if err != nil || half {
		return err
	}
	want, err := take(k.source(at), at.image.Digest())
	if err != nil {
		return err
	}
	return want.lacks(got)
}

func noStrays(l layout) error {
	strays, err := l.strays()
	if err == nil && len(strays) > 0 {
		err = fmt.Errorf("what does not belong into the layout: %v", strays)
	}
	return err
}

// verifies wants a release to verify.
func (k *kills) verifies(subject string) error {
	if out := k.run("verify", "--key", k.public("release"), "--require", allEvidence, subject); out.code != 0 {
		return errors.New(out.String())
	}
	return nil
}
