package interop

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Crowds that write to one digest at once.
const (
	attestersAtOnce = 50
	releasesAtOnce  = 16
)

// crowd runs commands at once, and wants each to succeed.
func (d *desk) crowd(n int, args func(n int) []string) time.Duration {
	d.t.Helper()
	outs, errs := make([]output, n), make([]error, n)
	name, err := hallmarkProgram()
	if err != nil {
		d.t.Fatal(err)
	}
	began := time.Now()
	var group sync.WaitGroup
	for n := range outs {
		group.Go(func() { outs[n], errs[n] = execute(d.dir, environment(d.home), name, args(n)...) })
	}
	group.Wait()
	took := time.Since(began)
	for n, out := range outs {
		if errs[n] != nil || out.code != 0 {
			d.t.Errorf("%v\n%s", errs[n], out)
		}
	}
	return took
}

// attesters makes each command attest a predicate of its own to a digest.
func (d *desk) attesters(ref string) func(n int) []string {
	files := make([]string, attestersAtOnce)
	for n := range files {
		files[n] = d.file(fmt.Sprintf("result-%d.json", n), fmt.Sprintf(`{"shard":%d}`, n))
	}
	return func(n int) []string {
		return []string{"attest", "--key", d.keys.hallmark.private, "--type", crowdType(n), "--predicate", files[n], ref}
	}
}

func crowdType(n int) string { return fmt.Sprintf("https://example.com/shard/%d", n) }

// TestFiftyAttest: fifty attests at once leave fifty attestations.
func TestFiftyAttest(t *testing.T) {
	for _, start := range []func() (*registry, error){shop.distribution, shop.memory} {
		r := oneRegistry(t, start)
		t.Run(r.name, func(t *testing.T) {
			d, i := newDesk(t), r.image(t, "oci")
			digest := i.platforms[0].digest
			took := d.crowd(attestersAtOnce, d.attesters(i.at(digest)))
			t.Logf("%s: %d attests at once took %.1f s", r.name, attestersAtOnce, took.Seconds())
			entries := i.attached(digest)
			kinds := map[string]bool{}
			for _, entry := range entries {
				m, raw := i.bundle(entry)
				checkEntry(t, entry, m)
				if len(raw) > 0 {
					kinds[m.Annotations[predicateLabel]] = true
				}
			}
			if len(entries) != attestersAtOnce || len(kinds) != attestersAtOnce {
				t.Errorf("%d entries of %d types, want %d", len(entries), len(kinds), attestersAtOnce)
			}
			d.hallmark(0, append([]string{"verify", "--key", d.keys.hallmark.public, i.at(digest)}, requireCrowd()...)...)
		})
	}
}

// requireCrowd asks for each attestation that a crowd wrote.
func requireCrowd() []string {
	var args []string
	for n := range attestersAtOnce {
		args = append(args, "--require", crowdType(n))
	}
	return args
}

// TestFiftyAttestLayout: the same in a layout folder.
func TestFiftyAttestLayout(t *testing.T) {
	d := newDesk(t)
	layout := d.copyLayout()
	index := decode[manifest](t, readFile(t, filepath.Join(layout, "index.json"))).Manifests[0].Digest
	ref := "oci:" + layout + "@" + index
	took := d.crowd(attestersAtOnce, d.attesters(ref))
	t.Logf("layout: %d attests at once took %.1f s", attestersAtOnce, took.Seconds())
	entries := decode[manifest](t, readFile(t, filepath.Join(layout, "index.json"))).Manifests
	if want := 1 + attestersAtOnce; len(entries) != want {
		t.Errorf("index.json has %d entries, want %d", len(entries), want)
	}
	d.hallmark(0, append([]string{"verify", "--key", d.keys.hallmark.public, ref}, requireCrowd()...)...)
}

// copyLayout gives a test the image's layout for itself.
func (d *desk) copyLayout() string {
	d.t.Helper()
	images, err := imagesFolder()
	if err != nil {
		d.t.Fatal(err)
	}
	layout := d.path("layout")
	if err := os.CopyFS(layout, os.DirFS(filepath.Join(images, "layout"))); err != nil {
		d.t.Fatal(err)
	}
	return layout
}

// TestSixteenRelease: releases of one image at once all succeed, and what they leave
// verifies.
func TestSixteenRelease(t *testing.T) {
	r := oneRegistry(t, shop.distribution)
	d, i := newDesk(t), r.image(t, "oci")
	ref := i.platform(0)
	took := d.crowd(releasesAtOnce, func(int) []string {
		return []string{"release", "--quiet", "--key", d.keys.hallmark.private, ref}
	})
	t.Logf("%s: %d releases at once took %.1f s and left %d referrers", r.name, releasesAtOnce, took.Seconds(), i.countAttached())
	d.hallmark(0, "verify", "--key", d.keys.hallmark.public, "--require", "signature,spdx,cyclonedx", ref)
	d.cosignVerifies(0, d.keys.hallmark.public, ref)
	if again := d.release(ref); again.Added != 0 {
		t.Errorf("one more release: %+v", again)
	}
	for _, entry := range i.attached(i.platforms[0].digest) {
		if status, _ := r.do(t, http.MethodHead, i.name, "manifests/"+entry.Digest, http.Header{"Accept": {manifestType}}, nil); status != http.StatusOK {
			t.Errorf("listed referrer %s: status %d", entry.Digest, status)
		}
	}
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// lookFor finds a program of the system, and skips the test without it.
func lookFor(t *testing.T, name string) func() (string, error) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		skip(t, err)
	}
	return func() (string, error) { return path, nil }
}
