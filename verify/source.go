package verify

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/semaphore"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/oci"
)

// Source is a place where evidence is found.
type Source interface {
	// Candidates lists what may be evidence about a digest. An empty list means that
	// there is none; what could not be found out is an error.
	Candidates(ctx context.Context, on digest.Digest) ([]Candidate, error)
}

// Candidate is something that may be evidence and was not read yet.
type Candidate struct {
	// Hint is the predicate type that it is labelled with, unauthenticated, or empty.
	// It decides what is read first, never what is left out.
	Hint string
	// Likely reports whether the label says that this is evidence at all.
	Likely bool
	// Name tells people which one it is.
	Name string
	// Read gives each piece of evidence in it to emit, one after the other; none if
	// it is something else. A piece larger than limit bytes is an error.
	Read func(ctx context.Context, limit int64, emit func(Piece)) error
}

// Attached finds the Sigstore bundles that are attached to a digest as referrers.
func Attached(store oci.Store) Source { return attached{store} }

type attached struct{ store oci.Store }

// memory bounds the bytes of evidence that this process holds at once, whatever the
// number of subjects and sources.
var memory = semaphore.NewWeighted(memoryBudget)

// memoryBudget is how many bytes of evidence are held at once, unless a single piece
// is larger.
const memoryBudget = 8 << 20

const annotationPredicateType = "dev.sigstore.bundle.predicateType"

func (s attached) Candidates(ctx context.Context, on digest.Digest) ([]Candidate, error) {
	referrers, err := s.store.Referrers(ctx, on)
	if err != nil {
		return nil, err
	}
	// The newest first, by what annotations say: it is the likeliest to be wanted.
	sort.SliceStable(referrers, func(i, j int) bool {
		return created(referrers[i]) > created(referrers[j])
	})
	out := make([]Candidate, len(referrers))
	for i, d := range referrers {
		out[i] = Candidate{
			Hint: d.Annotations[annotationPredicateType], Likely: likely(d),
			Name: d.Digest.String(),
			Read: func(ctx context.Context, limit int64, emit func(Piece)) error {
				return s.read(ctx, d, limit, emit)
			},
		}
	}
	return out, nil
}

func created(d oci.Descriptor) string { return d.Annotations["org.opencontainers.image.created"] }

// likely reports whether a listing calls a referrer a bundle, or does not say: some
// registries give the config's media type instead of the artifact's.
func likely(d oci.Descriptor) bool {
	return bundle.IsMediaType(d.ArtifactType) || d.ArtifactType == "" ||
		d.ArtifactType == "application/vnd.oci.empty.v1+json"
}

// read fetches the manifest of a referrer and the bundle in it. What its layers do
// not call a bundle is none.
func (s attached) read(ctx context.Context, d oci.Descriptor, limit int64, emit func(Piece)) error {
	piece := Piece{Digest: d.Digest, Form: FormBundle, Source: "referrer"}
	m, err := readManifest(ctx, s.store, d)
	if errors.Is(err, oci.ErrManifest) { // it was read, and is nothing that can be used
		piece.Defect = err
		emit(piece)
		return nil
	}
	if err != nil {
		return err
	}
	if oci.IsIndex(m.MediaType) {
		return nil
	}
	i := slices.IndexFunc(m.Layers, func(l oci.Descriptor) bool { return bundle.IsMediaType(l.MediaType) })
	if i < 0 { // cosign 2 could attach its older forms as referrers too
		return readLayers(ctx, s.store, m.Layers, piece, limit, emit)
	}
	if len(m.Layers) != 1 { // which of them was meant is anybody's guess
		piece.Defect = fmt.Errorf("%w: the manifest of a bundle has one layer, this one has %d", bundle.ErrFormat, len(m.Layers))
		emit(piece)
		return nil
	}
	return readPiece(ctx, s.store, m.Layers[i], piece, limit, emit)
}

// readManifest reads the manifest that a listing names. The listing's media type is a
// label like any other: the document tells what it is.
func readManifest(ctx context.Context, f oci.Fetcher, d oci.Descriptor) (*oci.Manifest, error) {
	raw, err := oci.FetchAll(ctx, f, oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: d.Digest, Size: d.Size}, oci.MaxManifest)
	if err != nil {
		return nil, err
	}
	return oci.ParseManifest("", raw)
}

// readPiece fetches the content of a piece within the memory budget and emits it.
func readPiece(ctx context.Context, f oci.Fetcher, d oci.Descriptor, piece Piece, limit int64, emit func(Piece)) (err error) {
	weight := min(d.Size, memoryBudget)
	if err := memory.Acquire(ctx, weight); err != nil {
		return err
	}
	defer memory.Release(weight)
	if piece.Content, err = oci.FetchAll(ctx, f, d, limit); err != nil {
		return err
	}
	piece.Spent = true
	emit(piece)
	return nil
}

// Legacy finds the evidence that cosign before version 3 keeps under the tags
// sha256-<hex>.sig and .att.
func Legacy(store oci.Store) Source { return legacy{store} }

type legacy struct{ store oci.Store }

// maxLegacyLayers caps the pieces under one legacy tag.
const maxLegacyLayers = 1_000

const (
	annotationSignature = "dev.cosignproject.cosign/signature"
	annotationLogBundle = "dev.sigstore.cosign/bundle"
	annotationCert      = "dev.sigstore.cosign/certificate"
	annotationChain     = "dev.sigstore.cosign/chain"
	annotationTimestamp = "dev.sigstore.cosign/rfc3161timestamp"
)

// Candidates lists both tags without looking whether they are there: reading them
// tells.
func (s legacy) Candidates(_ context.Context, on digest.Digest) ([]Candidate, error) {
	var out []Candidate
	for _, suffix := range []string{".sig", ".att"} {
		tag := oci.FallbackTag(on) + suffix
		c := Candidate{Likely: true, Name: "tag " + tag,
			Read: func(ctx context.Context, limit int64, emit func(Piece)) error {
				return s.read(ctx, tag, limit, emit)
			}}
		if suffix == ".sig" {
			c.Hint = bundle.PredicateSignature
		}
		out = append(out, c)
	}
	return out, nil
}

func (s legacy) read(ctx context.Context, tag string, limit int64, emit func(Piece)) error {
	subject, err := s.store.Resolve(ctx, tag)
	if errors.Is(err, oci.ErrNotFound) || err == nil && subject.IsIndex() {
		return nil
	}
	if err != nil {
		return err
	}
	return readLayers(ctx, s.store, subject.Manifest().Layers, Piece{Source: "tag " + tag}, limit, emit)
}

// readLayers emits a piece for each layer in one of cosign's older forms.
func readLayers(ctx context.Context, f oci.Fetcher, layers []oci.Descriptor, as Piece, limit int64, emit func(Piece)) error {
	if len(layers) > maxLegacyLayers {
		return &oci.TooLargeError{What: "the number of layers of " + as.Source, Limit: maxLegacyLayers}
	}
	for _, layer := range layers {
		piece := Piece{Digest: layer.Digest, Source: as.Source, LogBundle: []byte(layer.Annotations[annotationLogBundle]),
			Certificate: []byte(layer.Annotations[annotationCert]), Chain: []byte(layer.Annotations[annotationChain]),
			Timestamp: []byte(layer.Annotations[annotationTimestamp])}
		var err error
		switch layer.MediaType {
		case bundle.MediaTypeSimpleSigning:
			piece.Form = FormLegacySignature
			if piece.Signature, err = base64.StdEncoding.DecodeString(layer.Annotations[annotationSignature]); err != nil {
				piece.Defect = fmt.Errorf("%w: the signature is no base64", bundle.ErrFormat)
			}
		case bundle.MediaTypeEnvelope:
			piece.Form = FormLegacyAttestation
		default:
			continue
		}
		if err := readPiece(ctx, f, layer, piece, limit, emit); err != nil {
			return err
		}
	}
	return nil
}

// Bundles is evidence in files: each content is one Sigstore bundle. names tell
// people where each comes from.
func Bundles(names []string, contents [][]byte) Source { return files{names, contents} }

type files struct {
	names    []string
	contents [][]byte
}

func (s files) Candidates(context.Context, digest.Digest) ([]Candidate, error) {
	out := make([]Candidate, len(s.contents))
	for i, content := range s.contents {
		piece := Piece{Digest: digest.FromBytes(content), Form: FormBundle, Source: s.names[i], Content: content}
		out[i] = Candidate{Likely: true, Name: s.names[i],
			Read: func(_ context.Context, _ int64, emit func(Piece)) error { emit(piece); return nil }}
	}
	return out, nil
}

// describeUnread says why a candidate could not be read, in one line.
func describeUnread(err error) string {
	return strings.ReplaceAll(fmt.Sprint(err), "\n", " ")
}
