package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-project/hallmark/oci"
)

// Caps on what one subject may bring along.
const (
	// MaxManifests is how many manifests are copied at most.
	MaxManifests = 200_000
	// maxDepth is how deep evidence about evidence, and an index in an index, may go.
	maxDepth = 8
	// maxKept is how large the manifests may be together: annotations and layers are kept.
	maxKept = 256 << 20
	// keptRaw is how many bytes of manifests are kept from planning to copying.
	keptRaw = 64 << 20
	// readAtOnce is how many requests planning makes at once.
	readAtOnce = 16
)

// ErrTooMuch says that more is attached to a subject than is copied at once.
var ErrTooMuch = errors.New("too much is attached to it")

// Kind is what a manifest is to the subject.
type Kind string

// The kinds of [Piece].
const (
	KindImage    Kind = "image"
	KindIndex    Kind = "index"
	KindEvidence Kind = "evidence" // a referrer
	KindTagged   Kind = "tagged"   // evidence under a tag of its own, as cosign had it
)

// Piece is a manifest that belongs to the subject.
type Piece struct {
	Kind Kind
	// Descriptor says what the manifest is; of evidence also artifactType and annotations,
	// from the manifest itself.
	Descriptor oci.Descriptor
	// On is the subject of evidence.
	On digest.Digest
	// Tag is the tag that it is found under, of KindTagged.
	Tag string
	// Platform names an image of an index.
	Platform string
	// Blobs are its config and layers, without those that only their owner may hand out.
	Blobs []oci.Descriptor

	at    int // among the pieces of its plan
	depth int
	raw   []byte
	store oci.Store
}

// Bytes is the size of the manifest and its blobs.
func (p *Piece) Bytes() int64 {
	n := p.Descriptor.Size
	for _, b := range p.Blobs {
		n += b.Size
	}
	return n
}

// Plan is what is to be copied.
type Plan struct {
	Subject oci.Subject
	// Pieces in the order in which they are written: what others name comes first.
	Pieces []*Piece
	// Left is evidence that stays behind, and why.
	Left []Left
}

// Left is evidence that is not copied.
type Left struct {
	Piece  *Piece
	Reason string
}

// Source is where a subject and its evidence are read.
type Source struct {
	Images, Evidence oci.Store
}

// Filter says whether evidence is to be copied, and if not, why. The manifest is that of
// the piece.
type Filter func(p *Piece, manifest *oci.Manifest) (reason string, ok bool)

// New finds out what belongs to a subject. Nothing that could not be read is passed over:
// a listing that was cut off is an error. filter may be nil.
func New(ctx context.Context, from Source, subject oci.Subject, filter Filter) (*Plan, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group := &errgroup.Group{}
	group.SetLimit(readAtOnce)
	w := &walk{from: from, filter: filter, seen: map[string]bool{}, group: group, cancel: cancel}
	w.image(ctx, subject.Descriptor(), subject.Raw(), "", 0)
	_ = group.Wait() // w.err is the first error
	if w.err != nil {
		return nil, w.err
	}
	p := &Plan{Subject: subject, Pieces: w.pieces, Left: w.left}
	p.order()
	return p, nil
}

// order puts images before the index that names them, and evidence after what it is about.
func (p *Plan) order() {
	rank := func(a *Piece) int {
		switch a.Kind {
		case KindImage, KindIndex:
			return -a.depth
		}
		return 1 + a.depth
	}
	less := func(a, b *Piece) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a.Descriptor.Digest.String()+a.Tag, b.Descriptor.Digest.String()+b.Tag)
	}
	slices.SortFunc(p.Pieces, less)
	for i, piece := range p.Pieces {
		piece.at = i
	}
	slices.SortFunc(p.Left, func(a, b Left) int { return less(a.Piece, b.Piece) })
}

// walk collects pieces. Work that it finds is done by the group, or by whoever found it
// when all are busy.
type walk struct {
	from   Source
	filter Filter
	group  *errgroup.Group
	cancel context.CancelFunc

	mu     sync.Mutex
	err    error
	seen   map[string]bool
	pieces []*Piece
	left   []Left
	kept   int64
}

func (w *walk) do(ctx context.Context, f func() error) {
	run := func() error {
		err := ctx.Err()
		if err == nil {
			err = f()
		}
		if err == nil {
			return nil
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.err == nil {
			w.err = err
		}
		w.cancel()
		return err
	}
	if !w.group.TryGo(run) {
		_ = run() // kept in w.err
	}
}

// first reports whether something is met for the first time.
func (w *walk) first(what string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen[what] {
		return false
	}
	w.seen[what] = true
	return true
}

func (w *walk) add(p *Piece) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pieces) == MaxManifests {
		return fmt.Errorf("%w: more than %d manifests", ErrTooMuch, MaxManifests)
	}
	w.kept += int64(len(p.raw))
	if w.kept > maxKept {
		return fmt.Errorf("%w: manifests of more than %d bytes", ErrTooMuch, int64(maxKept))
	}
	if w.kept > keptRaw {
		p.raw = nil
	}
	w.pieces = append(w.pieces, p)
	return nil
}

func (w *walk) leave(p *Piece, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.raw = nil
	w.left = append(w.left, Left{p, reason})
}

// image collects an image or index, what it names, and what is attached to it.
func (w *walk) image(ctx context.Context, d oci.Descriptor, raw []byte, platform string, depth int) {
	if !w.first("image " + d.Digest.String()) {
		return
	}
	w.do(ctx, func() error {
		if depth > maxDepth {
			return fmt.Errorf("%w: index %s: more than %d deep", oci.ErrManifest, d.Digest, maxDepth)
		}
		m, raw, err := w.read(ctx, w.from.Images, d, raw)
		if err != nil {
			return fmt.Errorf("%s: %w", d.Digest, err)
		}
		p := &Piece{Kind: KindImage, Platform: platform, depth: depth, store: w.from.Images, raw: raw,
			Descriptor: oci.Descriptor{MediaType: m.MediaType, Digest: d.Digest, Size: d.Size}}
		if oci.IsIndex(m.MediaType) {
			p.Kind = KindIndex
		}
		w.evidence(ctx, d.Digest, depth)
		w.legacy(ctx, d.Digest, depth)
		for _, child := range m.Manifests {
			w.image(ctx, child, nil, oci.PlatformName(child.Platform), depth+1)
		}
		p.Blobs = blobsOf(m)
		return w.add(p)
	})
}

func (w *walk) read(ctx context.Context, store oci.Store, d oci.Descriptor, raw []byte) (*oci.Manifest, []byte, error) {
	if raw != nil {
		m, err := oci.ParseManifest(d.MediaType, raw)
		return m, raw, err
	}
	return oci.FetchManifest(ctx, store, oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size})
}

// evidence collects what is attached to a digest as referrers.
func (w *walk) evidence(ctx context.Context, on digest.Digest, depth int) {
	w.do(ctx, func() error {
		list, err := w.from.Evidence.Referrers(ctx, on)
		if err != nil {
			return fmt.Errorf("evidence of %s: %w", on, err)
		}
		if depth >= maxDepth && len(list) > 0 {
			return fmt.Errorf("%w: evidence about evidence, more than %d deep, on %s", ErrTooMuch, maxDepth, on)
		}
		for _, d := range list {
			w.referrer(ctx, d, on, depth+1)
		}
		return nil
	})
}

func (w *walk) referrer(ctx context.Context, d oci.Descriptor, on digest.Digest, depth int) {
	if !w.first("on " + on.String() + " " + d.Digest.String()) {
		return
	}
	w.do(ctx, func() error {
		m, raw, err := w.readLabelled(ctx, d)
		if errors.Is(err, oci.ErrNotFound) && w.unlisted(ctx, on, d.Digest) {
			return nil // somebody removed it after it was listed
		}
		if err != nil {
			return fmt.Errorf("evidence %s of %s: %w", d.Digest, on, err)
		}
		p := &Piece{Kind: KindEvidence, On: on, depth: depth, raw: raw, store: w.from.Evidence, Blobs: blobsOf(m),
			Descriptor: oci.Descriptor{MediaType: m.MediaType, Digest: d.Digest, Size: int64(len(raw)), ArtifactType: artifactType(m), Annotations: m.Annotations}}
		if oci.IsIndex(m.MediaType) {
			return fmt.Errorf("%w: evidence %s of %s is an index, which is not supported", oci.ErrManifest, d.Digest, on)
		}
		if m.Subject == nil || m.Subject.Digest != on {
			w.leave(p, "it does not name what it is listed under: elsewhere nobody could find it")
			return nil
		}
		return w.keep(ctx, p, m)
	})
}

// unlisted reports whether evidence that was listed is not any more.
func (w *walk) unlisted(ctx context.Context, on, evidence digest.Digest) bool {
	list, err := w.from.Evidence.Referrers(ctx, on)
	return err == nil && !slices.ContainsFunc(list, func(d oci.Descriptor) bool { return d.Digest == evidence })
}

// readLabelled reads the manifest of a list's entry, whose media type and size are labels.
func (w *walk) readLabelled(ctx context.Context, d oci.Descriptor) (*oci.Manifest, []byte, error) {
	raw, err := oci.FetchAll(ctx, w.from.Evidence, oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: d.Digest, Size: d.Size}, oci.MaxManifest)
	if err != nil {
		return nil, nil, err
	}
	m, err := oci.ParseManifest("", raw)
	return m, raw, err
}

func (w *walk) keep(ctx context.Context, p *Piece, m *oci.Manifest) error {
	if w.filter != nil {
		if reason, ok := w.filter(p, m); !ok {
			w.leave(p, reason)
			return nil
		}
	}
	w.evidence(ctx, p.Descriptor.Digest, p.depth)
	if !strings.HasPrefix(p.Descriptor.ArtifactType, "application/vnd.dev.sigstore.bundle") { // others are signed by cosign, too
		w.legacy(ctx, p.Descriptor.Digest, p.depth)
	}
	return w.add(p)
}

// legacySuffixes are of the tags under which cosign keeps evidence.
var legacySuffixes = []string{".sig", ".att", ".sbom"}

// legacy collects what is kept under cosign's tags for a digest.
func (w *walk) legacy(ctx context.Context, on digest.Digest, depth int) {
	for _, suffix := range legacySuffixes {
		tag := oci.FallbackTag(on) + suffix
		w.do(ctx, func() error {
			subject, err := w.from.Evidence.Resolve(ctx, tag)
			if errors.Is(err, oci.ErrNotFound) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("tag %s: %w", tag, err)
			}
			m := subject.Manifest()
			if subject.IsIndex() {
				return fmt.Errorf("%w: tag %s is an index, which is not supported", oci.ErrManifest, tag)
			}
			p := &Piece{Kind: KindTagged, On: on, Tag: tag, depth: depth + 1, raw: subject.Raw(), store: w.from.Evidence,
				Descriptor: subject.Descriptor(), Blobs: blobsOf(m)}
			p.Descriptor.ArtifactType = artifactType(m)
			return w.keep(ctx, p, m)
		})
	}
}

func artifactType(m *oci.Manifest) string {
	if m.ArtifactType != "" {
		return m.ArtifactType
	}
	return m.Config.MediaType
}

// blobsOf are the blobs that a manifest names and that may be copied.
func blobsOf(m *oci.Manifest) []oci.Descriptor {
	if oci.IsIndex(m.MediaType) {
		return nil
	}
	var out []oci.Descriptor
	for _, d := range append([]oci.Descriptor{m.Config}, m.Layers...) {
		if !isForeign(d) {
			out = append(out, oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size})
		}
	}
	return out
}

// isForeign reports whether a layer is one that registries do not hold, as those of
// Windows images: its owner hands it out.
func isForeign(d oci.Descriptor) bool {
	return len(d.URLs) > 0 && (strings.Contains(d.MediaType, ".foreign.") || strings.Contains(d.MediaType, ".nondistributable."))
}
