package verify_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/verify"
)

func writeFile(name string, content []byte) error { return os.WriteFile(name, content, 0o644) }

// TestIndex is the table of DESIGN section 3: what evidence on an index covers.
func TestIndex(t *testing.T) {
	cases := []struct {
		name     string
		require  []string
		platform string
		accept   bool // an SBOM on the index
		arrange  func(w *world)
		want     error
		says     string
	}{
		{name: "signature on the index vouches for its platforms", require: []string{"signature"},
			arrange: func(w *world) { w.vouch(w.alice, w.index, signature) }},
		{name: "signatures on the platforms do not vouch for their set", require: []string{"signature"}, want: verify.ErrMissing,
			arrange: func(w *world) { w.vouch(w.alice, w.amd64, signature); w.vouch(w.alice, w.arm64, signature) }},
		{name: "one platform, signed by way of the index", require: []string{"signature"}, platform: "linux/arm64",
			arrange: func(w *world) { w.vouch(w.alice, w.index, signature) }},
		{name: "one platform, signed itself", require: []string{"signature"}, platform: "linux/arm64",
			arrange: func(w *world) { w.vouch(w.alice, w.arm64, signature) }},
		{name: "the other platform is signed", require: []string{"signature"}, platform: "linux/arm64", want: verify.ErrMissing,
			arrange: func(w *world) { w.vouch(w.alice, w.amd64, signature) }},
		{name: "SBOM on every platform", require: []string{"spdx"},
			arrange: func(w *world) { w.vouch(w.alice, w.amd64, spdx); w.vouch(w.alice, w.arm64, spdx) }},
		{name: "SBOM on one platform only", require: []string{"spdx"}, want: verify.ErrMissing, says: "linux/arm64",
			arrange: func(w *world) { w.vouch(w.alice, w.amd64, spdx) }},
		{name: "SBOM on one platform, the other's is forged", require: []string{"spdx"}, want: verify.ErrRejected, says: "linux/arm64",
			arrange: func(w *world) { w.vouch(w.alice, w.amd64, spdx); w.vouch(w.mallory, w.arm64, spdx) }},
		{name: "one platform's SBOM attached to the other as well", require: []string{"spdx"}, want: verify.ErrRejected, says: "linux/arm64",
			arrange: func(w *world) {
				w.vouch(w.alice, w.amd64, spdx)
				w.attach(w.arm64, w.signed(w.alice, bundle.PayloadType, w.payload(w.amd64, spdx)), spdx.Type)
			}},
		{name: "SBOM on the index only", require: []string{"spdx"}, want: verify.ErrRejected, says: "on the index only",
			arrange: func(w *world) { w.vouch(w.alice, w.index, spdx) }},
		{name: "SBOM on the index only, by somebody else", require: []string{"spdx"}, want: verify.ErrMissing,
			arrange: func(w *world) { w.vouch(w.mallory, w.index, spdx) }},
		{name: "SBOM on the index, accepted", require: []string{"spdx"}, accept: true,
			arrange: func(w *world) { w.vouch(w.alice, w.index, spdx) }},
		{name: "SBOM on the index by somebody else, accepted", require: []string{"spdx"}, accept: true, want: verify.ErrRejected,
			arrange: func(w *world) { w.vouch(w.mallory, w.index, spdx) }},
		{name: "one platform narrowed to has its SBOM", require: []string{"spdx"}, platform: "amd64",
			arrange: func(w *world) { w.vouch(w.alice, w.amd64, spdx) }},
		{name: "another attestation on the index", require: []string{"test-result"},
			arrange: func(w *world) { w.vouch(w.alice, w.index, testResult) }},
		{name: "another attestation on every platform", require: []string{"test-result"},
			arrange: func(w *world) { w.vouch(w.alice, w.amd64, testResult); w.vouch(w.alice, w.arm64, testResult) }},
		{name: "another attestation on one platform", require: []string{"test-result"}, want: verify.ErrMissing,
			arrange: func(w *world) { w.vouch(w.alice, w.amd64, testResult) }},
		{name: "several requirements, all met", require: []string{"signature", "spdx", "cyclonedx"},
			arrange: func(w *world) {
				w.vouch(w.alice, w.index, signature)
				for _, platform := range []oci.Subject{w.amd64, w.arm64} {
					w.vouch(w.alice, platform, spdx)
					w.vouch(w.alice, platform, cyclonedx)
				}
			}},
		{name: "several requirements, the gravest verdict wins", require: []string{"signature", "spdx"}, want: verify.ErrRejected,
			arrange: func(w *world) { w.vouch(w.mallory, w.amd64, spdx) }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.arrange(w)
			p := require(t, c.require...)
			p.AcceptIndexSBOM = c.accept
			options := verify.Options{}
			if c.platform != "" {
				options.Platforms = []string{c.platform}
			}
			_, report, err := verify.Verify(context.Background(), w.index, w.sources(), trusting(w.alice), p, options)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v\n%s", err, c.want, dump(report))
			}
			if c.says != "" && !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error does not say %q: %v", c.says, err)
			}
		})
	}
}

func TestUnknownPlatform(t *testing.T) {
	w := newWorld(t)
	w.vouch(w.alice, w.index, signature)
	_, _, err := verify.Verify(context.Background(), w.index, w.sources(), trusting(w.alice), require(t, "signature"),
		verify.Options{Platforms: []string{"linux/amd64", "linux/riscv64"}})
	if !errors.Is(err, verify.ErrPlatform) {
		t.Errorf("got %v: asking for a platform that is not there must not verify the others", err)
	}
}

// blobFile is where the only bundle of a world is kept.
func (w *world) bundleFile() string {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.dir, "blobs", "sha256", "*"))
	w.must(err)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		w.must(err)
		if strings.Contains(string(raw), "dsseEnvelope") {
			return file
		}
	}
	w.t.Fatal("no bundle")
	return ""
}

// TestInconclusive: what could not be read is never taken for what is not there
// (giantswarm/retagger#1237), nor for what was rejected.
func TestInconclusive(t *testing.T) {
	cases := []struct {
		name    string
		arrange func(w *world)
		want    error
	}{
		{"bundle missing", func(w *world) { w.must(os.Remove(w.bundleFile())) }, verify.ErrInconclusive},
		{"bundle with a flipped bit", func(w *world) {
			raw, err := os.ReadFile(w.bundleFile())
			w.must(err)
			raw[len(raw)/2] ^= 1
			w.must(os.WriteFile(w.bundleFile(), raw, 0o644))
		}, verify.ErrInconclusive},
		{"bundle truncated", func(w *world) { w.must(os.Truncate(w.bundleFile(), 100)) }, verify.ErrInconclusive},
		{"bundle missing, another signature fine", func(w *world) {
			w.must(os.Remove(w.bundleFile()))
			w.vouch(w.alice, w.amd64, signature)
		}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.vouch(w.alice, w.amd64, signature)
			c.arrange(w)
			w.reopen()
			_, report, err := w.verify(w.amd64, require(t, "signature"))
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v\n%s", err, c.want, dump(report))
			}
			if c.want != nil && (errors.Is(err, verify.ErrMissing) || errors.Is(err, verify.ErrRejected)) {
				t.Errorf("%v is also another verdict", err)
			}
		})
	}
}

// throttled is a source whose list cannot be read.
type throttled struct{}

func (throttled) Candidates(context.Context, digest.Digest) ([]verify.Candidate, error) {
	return nil, &oci.StatusError{Status: 429}
}

func TestThrottledListing(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	_, _, err := verify.Verify(ctx, w.amd64, []verify.Source{throttled{}}, trusting(w.alice), require(t, "signature"), verify.Options{})
	if !errors.Is(err, verify.ErrInconclusive) {
		t.Errorf("alone: got %v", err)
	}
	// A rejected piece beside it must not turn "could not find out" into "rejected":
	// the good one may be in what was not read.
	w.vouch(w.mallory, w.amd64, signature)
	_, _, err = verify.Verify(ctx, w.amd64, append(w.sources(), throttled{}), trusting(w.alice), require(t, "signature"), verify.Options{})
	if !errors.Is(err, verify.ErrInconclusive) {
		t.Errorf("beside a rejected one: got %v", err)
	}
	// What was read is enough: the rest is a warning.
	w.vouch(w.alice, w.amd64, signature)
	_, report, err := verify.Verify(ctx, w.amd64, append([]verify.Source{throttled{}}, w.sources()...), trusting(w.alice), require(t, "signature"), verify.Options{})
	if err != nil || len(report.Warnings) == 0 {
		t.Errorf("satisfied: got %v, warnings %v", err, report.Warnings)
	}
	// Who is about to attach may not conclude that it is not there.
	found, err := verify.Find(ctx, w.arm64, []verify.Source{throttled{}}, trusting(w.alice), policy.Policy{}, nil, func(f []verify.Verified) bool { return len(f) > 0 })
	if !errors.Is(err, verify.ErrInconclusive) {
		t.Errorf("find: got %v, %v", found, err)
	}
}

// TestLimits: a hostile registry cannot make the verifier read without end, and what
// was cut off is not concluded from.
func TestLimits(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.vouch(w.mallory, w.amd64, signature)
	}
	ctx := context.Background()
	for name, limits := range map[string]verify.Limits{
		"pieces": {Pieces: 2, Parallel: 1}, "bytes": {PieceBytes: 50},
	} {
		_, report, err := verify.Verify(ctx, w.amd64, w.sources(), trusting(w.alice), require(t, "signature"), verify.Options{Limits: limits})
		if !errors.Is(err, verify.ErrInconclusive) {
			t.Errorf("%s: got %v\n%s", name, err, dump(report))
		}
	}
}

func TestReportIsComplete(t *testing.T) {
	w := newWorld(t)
	w.vouch(w.mallory, w.amd64, signature)
	w.vouch(w.alice, w.amd64, spdx)
	_, report, err := w.verify(w.amd64, require(t, "signature", "spdx"))
	if !errors.Is(err, verify.ErrRejected) {
		t.Fatal(err)
	}
	if len(report.Evidence) != 2 || len(report.Requirements) != 2 {
		t.Fatalf("%d pieces, %d requirements\n%s", len(report.Evidence), len(report.Requirements), dump(report))
	}
	for _, e := range report.Evidence {
		if len(e.Facts) < 4 || e.Digest == "" || e.ClaimedType == "" {
			t.Errorf("a piece without its checks: %+v", e)
		}
	}
	var failed *verify.Error
	if !errors.As(err, &failed) || len(failed.Failures) != 1 || failed.Failures[0].Type != policy.Signature {
		t.Errorf("failures %+v", failed)
	}
}

// onlyOn is a source that cannot be read for some digests.
type onlyOn struct {
	verify.Source
	unreadable map[digest.Digest]bool
}

func (s onlyOn) Candidates(ctx context.Context, on digest.Digest) ([]verify.Candidate, error) {
	if s.unreadable[on] {
		return nil, &oci.StatusError{Status: 429}
	}
	return s.Source.Candidates(ctx, on)
}

// TestAlternativePlaces: where evidence counts from the index or from every platform,
// a rejection in one place decides nothing while the other could not be read.
func TestAlternativePlaces(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	w.vouch(w.mallory, w.index, testResult)
	w.vouch(w.alice, w.amd64, testResult)
	w.vouch(w.alice, w.arm64, testResult)
	both := map[digest.Digest]bool{w.amd64.Digest(): true, w.arm64.Digest(): true}
	for name, c := range map[string]struct {
		unreadable map[digest.Digest]bool
		want       error
	}{
		"all read":             {nil, nil},
		"platforms unreadable": {both, verify.ErrInconclusive},
		"index unreadable":     {map[digest.Digest]bool{w.index.Digest(): true}, nil},
	} {
		source := onlyOn{verify.Attached(w.store), c.unreadable}
		_, report, err := verify.Verify(ctx, w.index, []verify.Source{source}, trusting(w.alice), require(t, "test-result"), verify.Options{})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v\n%s", name, err, c.want, dump(report))
		}
	}
	// A platform that was read and has none settles that place, and the index decides.
	w = newWorld(t)
	w.vouch(w.mallory, w.index, testResult)
	source := onlyOn{verify.Attached(w.store), map[digest.Digest]bool{w.amd64.Digest(): true}}
	if _, report, err := verify.Verify(ctx, w.index, []verify.Source{source}, trusting(w.alice), require(t, "test-result"), verify.Options{}); !errors.Is(err, verify.ErrRejected) {
		t.Errorf("one platform has none: got %v\n%s", err, dump(report))
	}
}

// relabelled is a store whose listing calls everything by another media type.
type relabelled struct {
	oci.Store
	mediaType string
}

func (s relabelled) Referrers(ctx context.Context, on digest.Digest) ([]oci.Descriptor, error) {
	list, err := s.Store.Referrers(ctx, on)
	for i := range list {
		list[i].MediaType, list[i].ArtifactType, list[i].Annotations = s.mediaType, "application/x", nil
	}
	return list, err
}

// TestListingLabels: what a listing calls an entry hides nothing.
func TestListingLabels(t *testing.T) {
	w := newWorld(t)
	w.vouch(w.alice, w.amd64, signature)
	for _, mediaType := range []string{"", "application/octet-stream", oci.MediaTypeIndex, oci.MediaTypeDockerManifest} {
		sources := []verify.Source{verify.Attached(relabelled{w.store, mediaType})}
		if _, report, err := verify.Verify(context.Background(), w.amd64, sources, trusting(w.alice), require(t, "signature"), verify.Options{}); err != nil {
			t.Errorf("%q: %v\n%s", mediaType, err, dump(report))
		}
	}
}

// TestUnlabelledLayoutEntries: entries of index.json without a media type are read.
func TestUnlabelledLayoutEntries(t *testing.T) {
	w := newWorld(t)
	w.vouch(w.alice, w.amd64, signature)
	file := filepath.Join(w.dir, "index.json")
	raw, err := os.ReadFile(file)
	w.must(err)
	w.must(os.WriteFile(file, []byte(strings.ReplaceAll(string(raw), `"mediaType":"application/vnd.oci.image.manifest.v1+json",`, "")), 0o644))
	w.reopen()
	if _, report, err := w.verify(w.amd64, require(t, "signature")); err != nil {
		t.Errorf("%v\n%s", err, dump(report))
	}
}

// TestMissingLegacyContent: a tag whose content is gone is not a tag that is not there.
func TestMissingLegacyContent(t *testing.T) {
	w := newWorld(t)
	w.tag(w.amd64, ".sig", w.legacyLayer(w.alice, simpleSigning(w.amd64.Digest().String(), cosignType)))
	legacy, err := w.store.Resolve(context.Background(), oci.FallbackTag(w.amd64.Digest())+".sig")
	w.must(err)
	w.must(os.Remove(filepath.Join(w.dir, "blobs", "sha256", legacy.Digest().Encoded())))
	w.reopen()
	_, report, err := verify.Verify(context.Background(), w.amd64, []verify.Source{verify.Legacy(w.store)}, trusting(w.alice), require(t, "signature"), verify.Options{})
	if !errors.Is(err, verify.ErrInconclusive) {
		t.Errorf("got %v\n%s", err, dump(report))
	}
}
