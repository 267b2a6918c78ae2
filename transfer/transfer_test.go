package transfer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/hallmark-project/hallmark/internal/testkit"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/transfer"
)

func client(t *testing.T) *oci.Client {
	t.Helper()
	c, err := oci.NewClient(oci.Options{Anonymous: true, Retries: 1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t *testing.T, c *oci.Client, text string) (oci.Store, oci.Subject) {
	t.Helper()
	ref, err := oci.ParseReference(text)
	if err != nil {
		t.Fatal(err)
	}
	store, err := c.Open(ref)
	if err != nil {
		t.Fatal(err)
	}
	subject, err := store.Resolve(t.Context(), ref.Target())
	if err != nil {
		t.Fatal(err)
	}
	return store, subject
}

func destination(t *testing.T, c *oci.Client, text string) oci.Import {
	t.Helper()
	ref, err := oci.ParseReference(text)
	if err != nil {
		t.Fatal(err)
	}
	to, err := c.Import(ref)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = to.Close() })
	return to
}

// move copies text to another place under tag v1.
func move(t *testing.T, c *oci.Client, from, to string, filter transfer.Filter, o transfer.Options) (*transfer.Plan, *transfer.Result, error) {
	t.Helper()
	store, subject := open(t, c, from)
	plan, err := transfer.New(t.Context(), transfer.Source{Images: store, Evidence: store}, subject, filter)
	if err != nil {
		return nil, nil, err
	}
	place := destination(t, c, to)
	result, err := plan.Run(t.Context(), place, o)
	return plan, result, errors.Join(err, place.Close())
}

// world is an index with everything that can be attached to it: evidence on the index and
// a platform, evidence about evidence, and cosign's tags.
type world struct {
	server *testkit.Server
	ref    string
	index  *testkit.Image
	first  ocispec.Descriptor // evidence on the index
}

func newWorld(t *testing.T, c *oci.Client, options ...testkit.Option) *world {
	t.Helper()
	w := &world{server: testkit.Registry(t, options...), index: testkit.NewIndex(testkit.Buildkit())}
	w.ref = w.server.Host + "/team/app:v1"
	testkit.PushImage(t, w.server, "team/app:v1", w.index)
	store, subject := open(t, c, w.ref)
	platforms, err := subject.Platforms()
	if err != nil {
		t.Fatal(err)
	}
	attach := func(on oci.Subject, text string) oci.Descriptor {
		out, err := store.Attach(t.Context(), []oci.Attachment{{Subject: on, Artifact: oci.Artifact{Type: "application/vnd.example." + text,
			Layer: oci.BytesBlob("text/plain", []byte(text)), Annotations: map[string]string{"org.example.text": text}}}})
		if err != nil {
			t.Fatal(err)
		}
		return out[0]
	}
	w.first = attach(subject, "on-index")
	attach(platforms[1].Subject, "on-platform")
	about, err := store.Resolve(t.Context(), w.first.Digest.String())
	if err != nil {
		t.Fatal(err)
	}
	attach(about, "about-evidence")
	legacy := testkit.NewImage(testkit.File("signature", "of old"))
	testkit.PushImage(t, w.server, "team/app:"+oci.FallbackTag(subject.Digest())+".sig", legacy)
	return w
}

// everything is what a place holds of a subject, read independently: digests of manifests
// by where they were found, with all blobs read whole.
func everything(t *testing.T, text string) map[string]bool {
	t.Helper()
	store, subject := open(t, client(t), text)
	found := map[string]bool{}
	var visit func(where string, d digest.Digest, image bool)
	visit = func(where string, d digest.Digest, image bool) {
		s, err := store.Resolve(t.Context(), d.String())
		if err != nil {
			t.Fatalf("%s: %s: %v", text, where, err)
		}
		found[where+" "+d.String()] = true
		m := s.Manifest()
		if !s.IsIndex() {
			for _, blob := range append(m.Layers, m.Config) {
				if _, err := oci.FetchAll(t.Context(), store, blob, 1<<30); err != nil {
					t.Errorf("%s: blob of %s: %v", text, d, err)
				}
			}
		}
		for _, child := range m.Manifests {
			visit("child", child.Digest, true)
		}
		list, err := store.Referrers(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if e.ArtifactType == "" || !strings.HasPrefix(e.Annotations["org.example.text"], strings.TrimPrefix(e.ArtifactType, "application/vnd.example.")) {
				t.Errorf("%s: %s is listed as %q, %v", text, e.Digest, e.ArtifactType, e.Annotations)
			}
			visit("on "+d.String(), e.Digest, false)
		}
		if tagged, err := store.Resolve(t.Context(), oci.FallbackTag(d)+".sig"); image && err == nil {
			visit("tag", tagged.Digest(), false)
		}
	}
	visit("root", subject.Digest(), true)
	return found
}

// Everything travels, whatever lists evidence at either end, and a second run has nothing
// to do.
func TestCopyEverything(t *testing.T) {
	c := client(t)
	kinds := map[string][]testkit.Option{"api": nil, "tag": {testkit.WithoutReferrers()}, "pages": {testkit.PaginateReferrers(1)}}
	for from, options := range kinds {
		w := newWorld(t, c, options...)
		want := everything(t, w.ref)
		if len(want) != 9 { // an index, two images, two of buildkit's, three pieces, one tag
			t.Fatalf("%d things: %v", len(want), want)
		}
		for to, options := range map[string][]testkit.Option{"api": nil, "tag": {testkit.WithoutReferrers()}, "layout": nil, "layout.tar": nil} {
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				place := "oci:" + filepath.Join(t.TempDir(), to)
				if !strings.HasPrefix(to, "layout") {
					place = testkit.Registry(t, options...).Host + "/other/name"
				}
				_, result, err := move(t, c, w.ref, place, nil, transfer.Options{Tag: "v2"})
				if err != nil {
					t.Fatal(err)
				}
				if got := everything(t, place+":v2"); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("got %v\nwant %v", got, want)
				}
				listed := 3
				if to == "api" { // it has listed them itself by the time it is asked
					listed = 0
				}
				if result.Moved != result.Total || result.Listed != listed || len(result.Tags) != 2 || result.Tags[1] != "v2" {
					t.Errorf("result %+v", result)
				}
				_, again, err := move(t, c, w.ref, place, nil, transfer.Options{Tag: "v2"})
				if err != nil || again.Present != again.Total || again.Listed != 0 || len(again.Tags) != 0 {
					t.Errorf("again: %+v, %v", again, err)
				}
			})
		}
	}
}

// A second run sends nothing that writes.
func TestCopyTwiceWritesNothing(t *testing.T) {
	c := client(t)
	w := newWorld(t, c)
	s := testkit.Registry(t)
	for range 2 {
		s.Reset()
		if _, _, err := move(t, c, w.ref, s.Host+"/other/name", nil, transfer.Options{Tag: "v1"}); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.CountOf(func(r *http.Request) bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }); n > 0 {
		t.Errorf("%d requests that write", n)
	}
	w.server.Reset()
	if _, _, err := move(t, c, w.ref, s.Host+"/third/name", nil, transfer.Options{Tag: "v1"}); err != nil {
		t.Fatal(err)
	}
	if twice := w.server.Twice(); len(twice) > 0 {
		t.Errorf("fetched twice: %v", twice)
	}
}

// Within a registry blobs are mounted, not moved.
func TestCopyMounts(t *testing.T) {
	c := client(t)
	w := newWorld(t, c, testkit.MountsAlways())
	w.server.Reset()
	_, result, err := move(t, c, w.ref, w.server.Host+"/team/other", nil, transfer.Options{Tag: "v1"})
	if err != nil || result.Mounted == 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	if n := w.server.CountOf(testkit.Gets(testkit.Blobs)); n > 0 {
		t.Errorf("%d blobs were downloaded", n)
	}
	if got, want := everything(t, w.server.Host+"/team/other:v1"), everything(t, w.ref); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// The tag appears last: whoever can resolve it finds the evidence.
func TestTagComesLast(t *testing.T) {
	c := client(t)
	w := newWorld(t, c)
	s := testkit.Registry(t, testkit.WithoutReferrers())
	if _, _, err := move(t, c, w.ref, s.Host+"/other/name", nil, transfer.Options{Tag: "v1"}); err != nil {
		t.Fatal(err)
	}
	var puts []string
	for _, r := range s.Requests() {
		if r.Method == http.MethodPut && strings.Contains(r.Path, "/manifests/") {
			puts = append(puts, r.Path[strings.LastIndexByte(r.Path, '/')+1:])
		}
	}
	if len(puts) == 0 || puts[len(puts)-1] != "v1" {
		t.Errorf("put in this order: %v", puts)
	}
	index := slices.Index(puts, w.index.Digest().String())
	for _, child := range w.index.Children {
		if at := slices.Index(puts, child.Digest().String()); at < 0 || at > index {
			t.Errorf("the index was put before %s", child.Digest())
		}
	}
	if at := slices.Index(puts, w.first.Digest.String()); at < index {
		t.Error("evidence was put before its subject")
	}
}

func TestDryRun(t *testing.T) {
	c := client(t)
	w := newWorld(t, c)
	s := testkit.Registry(t)
	dir := filepath.Join(t.TempDir(), "layout")
	for _, place := range []string{s.Host + "/other/name", "oci:" + dir, "oci:" + dir + ".tar"} {
		_, result, err := move(t, c, w.ref, place, nil, transfer.Options{Tag: "v1", DryRun: true})
		if err != nil || result.Moved != result.Total || result.Moved == 0 {
			t.Errorf("%s: %+v, %v", place, result, err)
		}
	}
	if n := s.CountOf(func(r *http.Request) bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }); n > 0 {
		t.Errorf("%d requests that write", n)
	}
	if found, _ := filepath.Glob(dir + "*"); len(found) > 0 {
		t.Errorf("%v was made", found)
	}
}

// A listing that cannot be read to its end stops everything: evidence would be lost
// unseen.
func TestNothingIsPassedOver(t *testing.T) {
	c := client(t)
	for name, fault := range map[string]testkit.Option{
		"throttled":       testkit.Fail(testkit.Referrers, 429, nil, testkit.Always),
		"cut off":         testkit.NextPage("/v2/team/app/referrers/none"),
		"pages in a ring": testkit.LoopingPages(),
		"lost evidence":   testkit.Fail(testkit.PathHas(evidenceDigest(t)), 404, nil, testkit.Always),
		"legacy tag":      testkit.Fail(testkit.PathHas(".att"), 500, nil, testkit.Always),
		"a flipped bit":   testkit.RewriteBody(testkit.Gets(testkit.Blobs), testkit.FlipBit, testkit.Always),
		"a cut body":      testkit.CutBody(testkit.Gets(testkit.Blobs), 5, testkit.Always),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c)
			w.server.Use(fault.(testkit.Middleware))
			s := testkit.Registry(t)
			if _, _, err := move(t, client(t), w.ref, s.Host+"/other/name", nil, transfer.Options{Tag: "v1"}); err == nil {
				t.Fatal("the copy claims to be whole")
			}
			if raw := testkit.GetManifest(t, s, "other/name", "v1"); raw != nil {
				t.Error("the tag was set although the copy is not whole")
			}
		})
	}
}

// What a list names although it says of itself that it is about something else, or nothing,
// could not be found at the far end: it is left behind, and named.
func TestOtherSubject(t *testing.T) {
	c := client(t)
	s := testkit.Registry(t, testkit.WithoutReferrers())
	image, other := testkit.NewImage(), testkit.NewImage(testkit.File("n", "other"))
	ref := testkit.PushImage(t, s, "team/app:v1", image)
	testkit.PushImage(t, s, "team/app:other", other)
	about := testkit.PushReferrer(t, s, "team/app", other.Descriptor(), "application/vnd.example.x", []byte("x"))
	testkit.PutFallback(t, s, "team/app", image.Digest(), about, other.Descriptor())
	plan, _, err := move(t, c, ref, "oci:"+filepath.Join(t.TempDir(), "layout"), nil, transfer.Options{Tag: "v1"})
	if err != nil || len(plan.Left) != 2 || len(plan.Pieces) != 1 {
		t.Errorf("%+v, %v", plan, err)
	}
}

// Evidence that is removed after it was listed is not missed; one that is still listed is.
func TestRemovedMeanwhile(t *testing.T) {
	c := client(t)
	w := newWorld(t, c, testkit.WithoutReferrers())
	w.server.Use(testkit.FailCode(testkit.PathHas("/manifests/"+w.first.Digest.String()), 404, "MANIFEST_UNKNOWN", nil, testkit.Always))
	var once sync.Once
	w.server.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(rw, r)
			if strings.HasSuffix(r.URL.Path, w.first.Digest.String()) {
				once.Do(func() { testkit.PutFallback(t, w.server, "team/app", w.index.Digest()) })
			}
		})
	})
	s := testkit.Registry(t)
	if _, _, err := move(t, c, w.ref, s.Host+"/other/name", nil, transfer.Options{Tag: "v1"}); err != nil {
		t.Fatal(err)
	}
	if got := everything(t, s.Host+"/other/name:v1"); len(got) != 7 {
		t.Errorf("%d things: %v", len(got), got)
	}
}

// evidenceDigest is the digest of evidence that newWorld attaches.
func evidenceDigest(t *testing.T) string {
	return newWorld(t, client(t)).first.Digest.String()
}

// A tag that holds other evidence at the destination is not overwritten.
func TestConflict(t *testing.T) {
	c := client(t)
	w := newWorld(t, c)
	s := testkit.Registry(t)
	there := testkit.NewImage(testkit.File("signature", "of somebody else"))
	tag := oci.FallbackTag(w.index.Digest()) + ".sig"
	testkit.PushImage(t, s, "other/name:"+tag, there)
	for _, dryRun := range []bool{true, false} {
		if _, _, err := move(t, c, w.ref, s.Host+"/other/name", nil, transfer.Options{Tag: "v1", DryRun: dryRun}); !errors.Is(err, transfer.ErrConflict) {
			t.Fatal(dryRun, err)
		}
	}
	if !bytes.Equal(testkit.GetManifest(t, s, "other/name", tag), there.Manifest) {
		t.Error("it was overwritten")
	}
}

// What a filter leaves behind is named, with what is attached to it.
func TestFilter(t *testing.T) {
	c := client(t)
	w := newWorld(t, c)
	s := testkit.Registry(t)
	plan, _, err := move(t, c, w.ref, s.Host+"/other/name", func(p *transfer.Piece, m *oci.Manifest) (string, bool) {
		if m.Subject == nil && p.Kind != transfer.KindTagged {
			t.Errorf("%s: the manifest says nothing of its subject", p.Descriptor.Digest)
		}
		return "not wanted", p.Descriptor.Digest != w.first.Digest
	}, transfer.Options{Tag: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Left) != 1 || plan.Left[0].Reason != "not wanted" {
		t.Errorf("left: %v", plan.Left)
	}
	if got := everything(t, s.Host+"/other/name:v1"); len(got) != 7 { // without the piece and what is about it
		t.Errorf("%d things: %v", len(got), got)
	}
}

// Layers that registries do not hold are not asked for.
func TestForeignLayers(t *testing.T) {
	s := testkit.Registry(t)
	image := testkit.NewImage()
	var m map[string]any
	if err := json.Unmarshal(image.Manifest, &m); err != nil {
		t.Fatal(err)
	}
	m["layers"] = append(m["layers"].([]any), map[string]any{
		"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "digest": digest.FromString("elsewhere").String(), "size": 9,
		"urls": []string{"https://example.com/layer"}})
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, content := range image.Blobs {
		testkit.PushBlob(t, s, "team/app", content)
	}
	dir := filepath.Join(t.TempDir(), "layout")
	testkit.WriteLayout(t, dir, "v1", &testkit.Image{MediaType: image.MediaType, Manifest: raw, Blobs: image.Blobs})
	if _, _, err := move(t, client(t), "oci:"+dir+":v1", "oci:"+dir+"2", nil, transfer.Options{Tag: "v1"}); err != nil {
		t.Fatal(err)
	}
	if _, subject := open(t, client(t), "oci:"+dir+"2:v1"); subject.Digest() != digest.FromBytes(raw) {
		t.Error("another digest")
	}
}

// An interrupt ends a copy.
func TestCopyInterrupted(t *testing.T) {
	c := client(t)
	w := newWorld(t, c)
	store, subject := open(t, c, w.ref)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := transfer.New(ctx, transfer.Source{Images: store, Evidence: store}, subject, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("planning: %v", err)
	}
	plan, err := transfer.New(t.Context(), transfer.Source{Images: store, Evidence: store}, subject, nil)
	if err != nil {
		t.Fatal(err)
	}
	place := filepath.Join(t.TempDir(), "x.tar")
	to := destination(t, c, "oci:"+place)
	if _, err := plan.Run(ctx, to, transfer.Options{Tag: "v1"}); !errors.Is(err, context.Canceled) {
		t.Errorf("running: %v", err)
	}
}
