package sbom

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

var oneFormat = Options{Formats: []Format{SPDXJSON}}

// wantLayerError checks that an error is want and names the layer.
func wantLayerError(t *testing.T, err, want error, layer digest.Digest) {
	t.Helper()
	var named *LayerError
	if !errors.Is(err, want) || !errors.As(err, &named) || named.Digest != layer {
		t.Errorf("got %v, want %v at layer %s", err, want, layer)
	}
	if err != nil && layer != "" && !strings.Contains(err.Error(), layer.String()) {
		t.Errorf("the text does not name the layer: %v", err)
	}
}

// sloppy is a Fetcher that serves bytes as they are, whatever their digest.
type sloppy struct{ blobs map[digest.Digest]io.Reader }

func (s sloppy) Fetch(_ context.Context, d ocispec.Descriptor) (io.ReadCloser, error) {
	return io.NopCloser(s.blobs[d.Digest]), nil
}

// serving is a copy of an image's store in which one blob has other bytes; the store itself does not check.
func serving(img *testImage, d digest.Digest, r io.Reader) sloppy {
	s := sloppy{map[digest.Digest]io.Reader{}}
	for k, raw := range img.store.blobs {
		s.blobs[k] = bytes.NewReader(raw)
	}
	s.blobs[d] = r
	return s
}

func flipped(raw []byte, at int) []byte {
	b := bytes.Clone(raw)
	b[at] ^= 1
	return b
}

func TestDamagedLayers(t *testing.T) {
	raw := layerTar(t, nodeFiles()...)
	plain := blob{ocispec.MediaTypeImageLayer, raw, digest.FromBytes(raw)}
	zipped := gzLayer(t, nodeFiles()...)
	noise := make([]byte, 4096)
	_, _ = rand.Read(noise)
	for _, c := range []struct {
		name  string
		layer blob
		serve []byte
		want  error
	}{
		{"truncated gzip", zipped, zipped.raw[:len(zipped.raw)/2], ErrMismatch},
		{"truncated tar", plain, raw[:len(raw)/2], ErrMismatch},
		{"empty", zipped, nil, ErrMismatch},
		{"longer", plain, append(bytes.Clone(raw), 0), ErrMismatch},
		{"bit flip in gzip", zipped, flipped(zipped.raw, len(zipped.raw)/2), ErrMalformed},
		{"bit flip in a file", plain, flipped(raw, 600), ErrMismatch},
		{"bit flip in a header", plain, flipped(raw, 3), ErrMalformed},
		{"another layer", plain, bytes.Repeat([]byte{0}, len(raw)), ErrMismatch},
	} {
		t.Run(c.name, func(t *testing.T) {
			img := ociImage(t, gzLayer(t, debianFiles()...), c.layer)
			broken := img.layers[1].Digest
			_, err := generateIn(t, t.Context(), Image(serving(img, broken, bytes.NewReader(c.serve)), img.manifest, img.raw), oneFormat)
			wantLayerError(t, err, c.want, broken)
			if len(c.serve) == 0 {
				return
			}
			// an honest store notices too; that its error arrives matters where the content looks right
			img.store.blobs[broken] = c.serve
			_, err = generateIn(t, t.Context(), img.source(), oneFormat)
			wantLayerError(t, err, err, broken)
		})
	}
}

// The Fetcher's error comes at the end of a blob whose content may be complete and correct already.
func TestFetcherHasTheLastWord(t *testing.T) {
	img := ociImage(t, gzLayer(t, nodeFiles()...))
	d := img.layers[0].Digest
	late := io.MultiReader(bytes.NewReader(img.store.blobs[d]), failing{errCorrupt})
	_, err := generateIn(t, t.Context(), Image(serving(img, d, late), img.manifest, img.raw), oneFormat)
	wantLayerError(t, err, errCorrupt, d)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestMissingBlob(t *testing.T) {
	img := mixedImage(t)
	delete(img.store.blobs, img.layers[1].Digest)
	_, err := generateIn(t, t.Context(), img.source(), oneFormat)
	wantLayerError(t, err, fs.ErrNotExist, img.layers[1].Digest)
}

// Content that has the right digest and is broken all the same.
func TestMalformedLayers(t *testing.T) {
	raw := layerTar(t, nodeFiles()...)
	cut := raw[:540] // within the file
	bad := map[string]blob{
		"tar cut off":        {ocispec.MediaTypeImageLayer, cut, digest.FromBytes(cut)},
		"gzip cut off":       {ocispec.MediaTypeImageLayerGzip, gz(t, raw)[:60], digest.FromBytes(raw)},
		"zstd cut off":       {ocispec.MediaTypeImageLayerZstd, zst(t, raw)[:60], digest.FromBytes(raw)},
		"no tar":             {ocispec.MediaTypeImageLayer, []byte(strings.Repeat("x", 2000)), digest.FromString(strings.Repeat("x", 2000))},
		"garbage after gzip": {ocispec.MediaTypeImageLayerGzip, append(gz(t, raw), "garbage"...), digest.FromBytes(raw)},
	}
	for name, b := range bad {
		t.Run(name, func(t *testing.T) {
			img := ociImage(t, b)
			_, err := generateIn(t, t.Context(), img.source(), oneFormat)
			wantLayerError(t, err, ErrMalformed, img.layers[0].Digest)
		})
	}
}

func TestWrongDiffID(t *testing.T) {
	b := gzLayer(t, nodeFiles()...)
	b.diffID = digest.FromString("something else")
	img := ociImage(t, b)
	_, err := generateIn(t, t.Context(), img.source(), oneFormat)
	wantLayerError(t, err, ErrMismatch, img.layers[0].Digest)
}

func TestLayersThatCannotBeKnown(t *testing.T) {
	for mediaType, want := range map[string]error{
		"application/vnd.oci.image.layer.nondistributable.v1.tar":      ErrForeignLayer,
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": ErrForeignLayer,
		"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": ErrForeignLayer,
		string(types.DockerForeignLayer):                               ErrForeignLayer,
		"application/vnd.oci.image.layer.v1.tar+gzip+encrypted":        ErrLayerType,
		"application/vnd.sylabs.sif.layer.v1.squashfs":                 ErrLayerType,
		"": ErrLayerType,
	} {
		b := gzLayer(t, nodeFiles()...)
		b.mediaType = mediaType
		img := ociImage(t, gzLayer(t, debianFiles()...), b)
		_, err := generateIn(t, t.Context(), img.source(), oneFormat)
		wantLayerError(t, err, want, img.layers[1].Digest)
		if len(img.store.fetches) > 0 {
			t.Errorf("%s: fetched before it was refused", mediaType)
		}
	}
}

func TestNotAnImage(t *testing.T) {
	img := mixedImage(t)
	edit := func(f func(m map[string]any)) Source {
		var m map[string]any
		check(t, json.Unmarshal(img.raw, &m))
		f(m)
		raw, err := json.Marshal(m)
		check(t, err)
		return Image(img.store, ocispec.Descriptor{Digest: digest.FromBytes(raw), Size: int64(len(raw))}, raw)
	}
	wrong := img.manifest
	wrong.Digest = digest.FromString("else")
	shorter := img.manifest
	shorter.Size--
	strange := img.manifest
	strange.Digest = "sha256:zz"
	text := []byte("hello")
	for name, c := range map[string]struct {
		source Source
		want   error
	}{
		"index": {edit(func(m map[string]any) { m["mediaType"] = ocispec.MediaTypeImageIndex }), ErrNotImage},
		"artifact": {edit(func(m map[string]any) {
			m["config"].(map[string]any)["mediaType"] = ocispec.MediaTypeEmptyJSON
		}), ErrNotImage},
		"text":         {Image(img.store, ocispec.Descriptor{Digest: digest.FromBytes(text), Size: 5}, text), ErrNotImage},
		"other digest": {Image(img.store, wrong, img.raw), ErrMismatch},
		"other size":   {Image(img.store, shorter, img.raw), ErrMismatch},
		"no digest":    {Image(img.store, strange, img.raw), ErrMalformed},
		"layer digest": {edit(func(m map[string]any) {
			m["layers"].([]any)[0].(map[string]any)["digest"] = "sha256:../../etc/passwd"
		}), ErrMalformed},
		"negative size": {edit(func(m map[string]any) {
			m["layers"].([]any)[0].(map[string]any)["size"] = -1
		}), ErrMalformed},
		"fewer layers": {edit(func(m map[string]any) { m["layers"] = m["layers"].([]any)[1:] }), ErrMismatch},
		"config digest": {edit(func(m map[string]any) {
			m["config"].(map[string]any)["size"] = 3
		}), ErrMismatch},
	} {
		if _, err := generateIn(t, t.Context(), c.source, oneFormat); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBadConfiguration(t *testing.T) {
	for name, config := range map[string]string{
		"no JSON":        `{`,
		"odd diff_id":    `{"rootfs":{"type":"layers","diff_ids":["md5:0"]}}`,
		"hostile":        `{"rootfs":{"type":"layers","diff_ids":["sha256:../../../x"]}}`,
		"time of no day": `{"created":"yesterday","rootfs":{"type":"layers","diff_ids":["sha256:` + strings.Repeat("0", 64) + `"]}}`,
	} {
		img := ociImage(t, gzLayer(t, nodeFiles()...))
		var m ocispec.Manifest
		check(t, json.Unmarshal(img.raw, &m))
		m.Config = img.store.push(ocispec.MediaTypeImageConfig, []byte(config))
		raw, err := json.Marshal(m)
		check(t, err)
		d := ocispec.Descriptor{Digest: digest.FromBytes(raw), Size: int64(len(raw))}
		if _, err := generateIn(t, t.Context(), Image(img.store, d, raw), oneFormat); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every limit, with an image that is just over it and the same image under a limit just high enough.
func TestLimits(t *testing.T) {
	files := func(n int, dir string) []entry {
		var all []entry
		for i := range n {
			all = append(all, entry{name: fmt.Sprintf("%s/f%d", dir, i)})
		}
		return all
	}
	deep := func(n int) entry { return entry{name: strings.Repeat("d/", n-1) + "f"} }
	zeros := entry{name: "zeros", body: strings.Repeat("\x00", 100<<10)}
	many, zero := ociImage(t, gzLayer(t, files(100, "a")...), gzLayer(t, files(100, "b")...)), ociImage(t, gzLayer(t, zeros), gzLayer(t, zeros, entry{name: "x"}))
	var m ocispec.Manifest
	check(t, json.Unmarshal(many.raw, &m))
	config := m.Config.Size
	for _, c := range []struct {
		field       string
		img         *testImage
		layer       int // whose fault it is; -1 for none, -2 for either
		enough, low Limits
	}{
		{"Layers", many, -1, Limits{Layers: 2}, Limits{Layers: 1}},
		{"ManifestBytes", many, -1, Limits{ManifestBytes: many.manifest.Size}, Limits{ManifestBytes: many.manifest.Size - 1}},
		{"ConfigBytes", many, -1, Limits{ConfigBytes: config}, Limits{ConfigBytes: config - 1}},
		{"LayerBytes", zero, -2, Limits{LayerBytes: 110 << 10}, Limits{LayerBytes: 90 << 10}},
		{"TotalBytes", zero, -2, Limits{TotalBytes: 220 << 10}, Limits{TotalBytes: 150 << 10}},
		{"LayerEntries", many, -2, Limits{LayerEntries: 101}, Limits{LayerEntries: 100}}, // with the folder
		{"TotalEntries", many, -2, Limits{TotalEntries: 202}, Limits{TotalEntries: 201}},
		{"NameBytes", many, -2, Limits{NameBytes: 2000}, Limits{NameBytes: 500}},
		{"PathBytes", ociImage(t, gzLayer(t, entry{name: strings.Repeat("n", 300)})), 0, Limits{PathBytes: 301}, Limits{PathBytes: 300}},
		{"PathDepth", ociImage(t, gzLayer(t, deep(20))), 0, Limits{PathDepth: 20}, Limits{PathDepth: 19}},
		{"LayerEntries", ociImage(t, gzLayer(t, deep(20))), 0, Limits{LayerEntries: 20}, Limits{LayerEntries: 19}}, // implied folders
	} {
		t.Run(c.field, func(t *testing.T) {
			o := oneFormat
			o.Limits = c.enough
			mustGenerate(t, c.img.source(), o)
			o.Limits = c.low
			_, err := generateIn(t, t.Context(), c.img.source(), o)
			var limit *LimitError
			if !errors.Is(err, ErrLimit) || !errors.As(err, &limit) || limit.Limit != c.field {
				t.Fatalf("got %v", err)
			}
			if c.layer >= 0 {
				wantLayerError(t, err, ErrLimit, c.img.layers[c.layer].Digest)
			}
			var named *LayerError
			if c.layer == -2 && !errors.As(err, &named) {
				t.Errorf("no layer named: %v", err)
			}
		})
	}
}

func TestDefaultLimits(t *testing.T) {
	l := Limits{LayerBytes: 7}.withDefaults()
	if l.LayerBytes != 7 || l.TotalBytes != DefaultMaxTotalBytes || l.Layers != DefaultMaxLayers || l.PathDepth != DefaultMaxPathDepth {
		t.Errorf("%+v", l)
	}
}

// watched is how large a folder grew while f ran.
func watched(t *testing.T, f func()) (most int64) {
	t.Helper()
	temp, stop, done := os.Getenv("TMPDIR"), make(chan struct{}), make(chan int64)
	go func() {
		var most int64
		for {
			var size int64
			_ = filepath.WalkDir(temp, func(_ string, d fs.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					if info, err := d.Info(); err == nil {
						size += info.Size()
					}
				}
				return nil
			})
			most = max(most, size)
			select {
			case <-stop:
				done <- most
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	f()
	close(stop)
	return <-done
}

// A megabyte that unpacks to a gigabyte must neither reach the disk nor take the time.
func TestDecompressionBomb(t *testing.T) {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	tw := tar.NewWriter(w)
	check(t, tw.WriteHeader(&tar.Header{Name: "bomb", Size: 1 << 30, Mode: 0o644}))
	_, err := io.CopyN(w, zeroReader{}, 1<<30)
	check(t, err)
	check(t, w.Close())
	img := ociImage(t, blob{ocispec.MediaTypeImageLayerGzip, b.Bytes(), digest.FromString("never reached")})
	o := oneFormat
	o.Limits.LayerBytes = 4 << 20
	t.Setenv("TMPDIR", t.TempDir())
	most := watched(t, func() {
		_, err := Generate(t.Context(), img.source(), o)
		wantLayerError(t, err, ErrLimit, img.layers[0].Digest)
	})
	if most > 4<<20 {
		t.Errorf("%d bytes on disk", most)
	}
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// endlessTar never stops to have another empty file.
type endlessTar struct {
	buf bytes.Buffer
	n   int
}

func (e *endlessTar) Read(p []byte) (int, error) {
	if e.buf.Len() == 0 {
		w := tar.NewWriter(&e.buf)
		for range 100 {
			e.n++
			_ = w.WriteHeader(&tar.Header{Name: fmt.Sprint("f", e.n)})
		}
	}
	return e.buf.Read(p)
}

// Streams that have no end, in images that claim a size which would allow it.
func TestEndlessLayers(t *testing.T) {
	for name, c := range map[string]struct {
		r     io.Reader
		limit string
	}{
		"entries":           {&endlessTar{}, "LayerEntries"},
		"after the archive": {zeroReader{}, "LayerBytes"},
	} {
		t.Run(name, func(t *testing.T) {
			img := ociImage(t, gzLayer(t, nodeFiles()...))
			var m ocispec.Manifest
			check(t, json.Unmarshal(img.raw, &m))
			m.Layers[0].Size, m.Layers[0].MediaType = 1<<50, ocispec.MediaTypeImageLayer
			raw, err := json.Marshal(m)
			check(t, err)
			desc := ocispec.Descriptor{Digest: digest.FromBytes(raw), Size: int64(len(raw))}
			o := oneFormat
			o.Limits = Limits{LayerEntries: 10_000, LayerBytes: 8 << 20}
			_, err = generateIn(t, t.Context(), Image(serving(img, m.Layers[0].Digest, c.r), desc, raw), o)
			wantLayerError(t, err, ErrLimit, m.Layers[0].Digest)
			var limit *LimitError
			if !errors.As(err, &limit) || limit.Limit != c.limit {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Paths and links that climb out of the image must neither write there nor read from there.
func TestEscapes(t *testing.T) {
	outside := t.TempDir()
	secret := filepath.Join(outside, "status")
	check(t, os.WriteFile(secret, []byte(dpkgStatus("stolen")), 0o644))
	up := strings.Repeat("../", 20)
	target := filepath.Join(outside, "written")
	link := func(name, to string, kind byte) entry { return entry{name: name, kind: kind, link: to} }
	img := ociImage(t,
		gzLayer(t,
			entry{name: up + target[1:], body: "x"},
			entry{name: target, body: "x"},
			entry{name: "../evil", body: "x"},
			link("var/lib/dpkg/status", secret, tar.TypeSymlink),
			link("var/lib/dpkg/status.d/a", up+secret[1:], tar.TypeSymlink),
			link("lib/apk/db/installed", secret, tar.TypeLink),
			link("hostroot", "/", tar.TypeSymlink),
			link("climb", up, tar.TypeSymlink),
			link("loop", "loop", tar.TypeSymlink),
			entry{name: "climb" + target, body: "x"},
			entry{name: "dev/sda", kind: tar.TypeBlock},
			entry{name: "pipe", kind: tar.TypeFifo},
		),
		gzLayer(t, entry{name: "hostroot" + target, body: "x"}, link("var/lib/dpkg/status.d/b", "/hostroot"+secret, tar.TypeSymlink)),
	)
	docs := mustGenerate(t, img.source(), allFormats)
	for _, d := range docs {
		if bytes.Contains(d.Bytes, []byte("stolen")) {
			t.Errorf("%s holds a package of the host", d.Format)
		}
	}
	if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("written outside: %v", err)
	}
	if left, _ := os.ReadDir(outside); len(left) != 1 {
		t.Errorf("outside has %v", left)
	}
}

// blocking is a Fetcher whose layers deliver a few bytes and then wait for the context.
type blocking struct {
	*memory
	reached chan struct{}
}

func (b blocking) Fetch(ctx context.Context, d ocispec.Descriptor) (io.ReadCloser, error) {
	if d.MediaType == ocispec.MediaTypeImageConfig {
		return b.memory.Fetch(ctx, d)
	}
	return io.NopCloser(io.MultiReader(bytes.NewReader(b.blobs[d.Digest][:20]), waitReader{ctx, b.reached})), nil
}

type waitReader struct {
	ctx     context.Context
	reached chan struct{}
}

func (w waitReader) Read([]byte) (int, error) {
	select {
	case w.reached <- struct{}{}:
	default:
	}
	<-w.ctx.Done()
	return 0, w.ctx.Err()
}

func TestCancelledWhileFetching(t *testing.T) {
	img := mixedImage(t)
	ctx, cancel := context.WithCancel(t.Context())
	reached := make(chan struct{})
	go func() {
		<-reached
		cancel()
	}()
	src := Image(blocking{memory: img.store, reached: reached}, img.manifest, img.raw)
	if _, err := generateIn(t, ctx, src, oneFormat); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestCancelledWhileCataloguing(t *testing.T) {
	img := richImage(t)
	mustGenerate(t, img.source(), oneFormat) // the licence scanner is built
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var at time.Time
	o := oneFormat
	o.Progress = func(e Event) {
		if e.Stage == StageCatalog {
			at = time.Now()
			cancel()
		}
	}
	_, err := generateIn(t, ctx, img.source(), o)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(at); took > 2*time.Second {
		t.Errorf("took %v to stop", took)
	}
}

// deaf is a Fetcher that does not care for its context.
type deaf struct {
	*memory
	wait chan struct{}
}

func (d deaf) Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	<-d.wait
	return d.memory.Fetch(ctx, desc)
}

func TestCancelledFetcherThatDoesNotStop(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the grace period")
	}
	t.Parallel()
	img := mixedImage(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	src := deaf{img.store, make(chan struct{})}
	defer close(src.wait)
	start := time.Now()
	_, err := Generate(ctx, Image(src, img.manifest, img.raw), oneFormat)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > cancelGrace+2*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
}

func TestDeadlineBeforeTheStart(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	if _, err := generateIn(t, ctx, mixedImage(t).source(), oneFormat); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// One layer's failure ends the transfer of the others at once.
func TestFailureStopsOtherLayers(t *testing.T) {
	img := ociImage(t, gzLayer(t, debianFiles()...), gzLayer(t, nodeFiles()...))
	bad := img.layers[1].Digest
	src := Image(oneBad{blocking{memory: img.store, reached: make(chan struct{}, 9)}, bad}, img.manifest, img.raw)
	_, err := generateIn(t, t.Context(), src, oneFormat)
	wantLayerError(t, err, errCorrupt, bad)
}

type oneBad struct {
	blocking
	bad digest.Digest
}

func (o oneBad) Fetch(ctx context.Context, d ocispec.Descriptor) (io.ReadCloser, error) {
	if d.Digest == o.bad {
		return nil, errCorrupt
	}
	return o.blocking.Fetch(ctx, d)
}

// Panics come from parsers of hostile content, in syft's goroutines or in ours.
func TestPanicsBecomeErrors(t *testing.T) {
	if _, err := generateIn(t, t.Context(), panicking{}, oneFormat); !errors.Is(err, ErrCatalog) {
		t.Errorf("got %v", err)
	}
	stack := errors.New("failed to run tasks: index out of range at:\ngoroutine 7 [running]:\nmain.go")
	if err := catalogError(stack); !errors.Is(err, ErrCatalog) || strings.Contains(err.Error(), "goroutine") {
		t.Errorf("got %v", err)
	}
}

type panicking struct{}

func (panicking) open(context.Context, *job) (*content, error) { panic("parser") }
