package interop

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// releaseResult is what tests read of `hallmark release -o json`.
type releaseResult struct {
	Added    int  `json:"added"`
	Verified bool `json:"verified"`
}

func (d *desk) release(ref string) releaseResult {
	d.t.Helper()
	out := d.hallmark(0, "release", "--key", d.keys.hallmark.private, "-o", "json", ref)
	if out.code != 0 {
		d.t.FailNow()
	}
	return decode[releaseResult](d.t, []byte(out.stdout))
}

func everyForm(t *testing.T, test func(t *testing.T, r *registry, form string)) {
	everyRegistry(t, func(t *testing.T, r *registry) {
		for _, form := range []string{"oci", "docker"} {
			t.Run(form, func(t *testing.T) { test(t, r, form) })
		}
	})
}

// TestRelease: what a release writes is verified by hallmark and by cosign, on the
// index and on each platform, and a second release adds nothing.
func TestRelease(t *testing.T) {
	everyForm(t, func(t *testing.T, r *registry, form string) {
		d, i := newDesk(t), r.image(t, form)
		pub := d.keys.hallmark.public
		first := d.release(i.ref())
		if want := 1 + 3*len(i.platforms); first.Added != want || !first.Verified {
			t.Errorf("release: %+v, want %d added", first, want)
		}
		d.hallmark(0, "verify", "--key", pub, "--require", "signature,spdx,cyclonedx", i.ref())
		d.cosignVerifies(0, pub, i.ref())
		for _, p := range i.platforms {
			ref := i.at(p.digest)
			d.hallmark(0, "verify", "--key", pub, "--require", "signature,spdx,cyclonedx", ref)
			d.cosignVerifies(0, pub, ref)
			d.cosignVerifiesType(0, pub, "spdxjson", ref)
			d.cosignVerifiesType(0, pub, "cyclonedx", ref)
			d.cosignVerifiesType(refused, d.keys.mallory.public, "spdxjson", ref)
		}
		before := i.countAttached()
		if second := d.release(i.ref()); second.Added != 0 || !second.Verified {
			t.Errorf("second release: %+v, want nothing added", second)
		}
		if after := i.countAttached(); before != first.Added || after != before {
			t.Errorf("%d referrers after the first release, %d after the second, want %d", before, after, first.Added)
		}
	})
}

// TestSBOMBytes: the SBOM that is attached is the one that hallmark sbom makes, and it
// is the same from a registry, a layout and an archive of one.
func TestSBOMBytes(t *testing.T) {
	const platform = "linux/amd64"
	everyRegistry(t, func(t *testing.T, r *registry) {
		d, i := newDesk(t), r.image(t, "oci")
		folder, err := imagesFolder()
		if err != nil {
			t.Fatal(err)
		}
		layout, archive := "oci:"+folder+"/layout", d.path("layout.tar")
		pack := d.run(func() (string, error) { return "/bin/tar", nil }, 0, "-C", folder+"/layout", "-cf", archive, ".")
		if pack.code != 0 {
			t.FailNow()
		}
		d.release(i.ref())
		attached := d.hallmark(0, "show", "--type", "spdx", "--predicate", "--platform", platform, i.ref()).stdout
		if len(attached) < 100_000 {
			t.Errorf("the SBOM of the real image has %d bytes only", len(attached))
		}
		sources := map[string]string{"registry": i.ref(), "layout": layout + ":app", "archive": "oci:" + archive + ":app"}
		for name, source := range sources {
			file := d.path(name + ".json")
			d.hallmark(0, "sbom", "--platform", platform, "-o", "spdx-json="+file, source)
			made, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(made, []byte(attached)) {
				t.Errorf("%s: the SBOM of %d bytes differs from the attached one of %d bytes: %s", name, len(made), len(attached), firstDifference(made, []byte(attached)))
			}
		}
	})
}

// firstDifference quotes two texts where they part.
func firstDifference(a, b []byte) string {
	at := 0
	for at < len(a) && at < len(b) && a[at] == b[at] {
		at++
	}
	quote := func(text []byte) string {
		return strings.TrimSpace(string(text[max(0, min(at, len(text))-60):min(len(text), at+60)]))
	}
	return "…" + quote(a) + "… against …" + quote(b) + "…"
}
