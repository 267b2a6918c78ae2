package verify

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
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
	// it is something else. A piece larger than limit bytes is an error. What emit does not
	// keep of a piece is gone when it returns.
	Read func(ctx context.Context, limit int64, emit func(Piece)) error

	documents documents // where documents are that it refers to; nil: nowhere of its own
}

// Rank says how soon a candidate is to be read where evidence of some types is wanted, 0
// first: what is labelled as one of them, what is labelled as referring to documents if one
// of the types can be had so, what has no label, and everything else.
func (c Candidate) Rank(types []policy.Type) int {
	wanted := func(t policy.Type) bool { return t.Matches(c.Hint) }
	switch {
	case c.Likely && slices.ContainsFunc(types, wanted):
		return 0
	case c.Likely && c.Hint == bundle.PredicateReference && slices.ContainsFunc(types, func(t policy.Type) bool { return t.DocumentType() != "" }):
		return 1
	case c.Likely && c.Hint == "":
		return rankUnlabelled
	}
	return rankUnlikely
}

// Ranks of what no label says to be wanted.
const (
	rankUnlabelled = 2
	rankUnlikely   = 3
)

// Attached finds the Sigstore bundles that are attached to a digest as referrers.
func Attached(store oci.Store) Source { return attached{store} }

type attached struct{ store oci.Store }

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
		out[i] = s.candidate(d)
		read := out[i].Read
		out[i].Read = func(ctx context.Context, limit int64, emit func(Piece)) error {
			err := read(ctx, limit, emit)
			if errors.Is(err, oci.ErrNotFound) && s.unlisted(ctx, on, d.Digest) {
				return nil
			}
			return err
		}
	}
	return out, nil
}

// unlisted reports whether evidence that was listed is not any more: somebody removed it
// before it was read, and nothing is missing.
func (s attached) unlisted(ctx context.Context, on, evidence digest.Digest) bool {
	list, err := s.store.Referrers(ctx, on)
	return err == nil && !slices.ContainsFunc(list, func(d oci.Descriptor) bool { return d.Digest == evidence })
}

func (s attached) candidate(d oci.Descriptor) Candidate {
	return Candidate{
		Hint: d.Annotations[annotationPredicateType], Likely: likely(d),
		Name: d.Digest.String(), documents: s.store,
		Read: func(ctx context.Context, limit int64, emit func(Piece)) error {
			return s.read(ctx, d, limit, emit)
		},
	}
}

// Referrer is the one piece of evidence that a listing of referrers calls d.
func Referrer(store oci.Store, d oci.Descriptor) Candidate { return attached{store}.candidate(d) }

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
	piece.stored = func(ctx context.Context) (io.ReadCloser, error) { return s.store.Fetch(ctx, m.Layers[i]) }
	return withinMemory(ctx, m.Layers[i].Size, func() error {
		err := readChecked(ctx, s.store, m.Layers[i], limit, func(in io.Reader) error {
			piece.Bundle, err = bundle.Read(in, m.Layers[i].Size)
			return err
		})
		if err = piece.judge(err); err == nil {
			emit(piece)
		}
		return err
	})
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

// judge notes an error about the form of a bundle, and passes on every other one: that the
// bundle could not be read.
func (p *Piece) judge(err error) error {
	if errors.Is(err, bundle.ErrFormat) || errors.Is(err, bundle.ErrJSON) {
		p.Defect, err = err, nil
	}
	return err
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
		c := Candidate{Likely: true, Name: "tag " + tag, documents: s.store,
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
		if err := readLayer(ctx, f, layer, piece, limit, emit); err != nil {
			return err
		}
	}
	return nil
}

// readLayer fetches the content of a piece in one of the older forms.
func readLayer(ctx context.Context, f oci.Fetcher, d oci.Descriptor, piece Piece, limit int64, emit func(Piece)) error {
	return withinMemory(ctx, d.Size, func() (err error) {
		if piece.Content, err = fetchWhole(ctx, f, d, limit); err == nil {
			emit(piece)
		}
		return err
	})
}

// File is a Sigstore bundle that can be read as often as it is needed.
type File struct {
	Name string // tells people where it comes from
	Size int64  // in bytes, as far as it is known
	Open func() (io.ReadCloser, error)
}

// Files is evidence in files.
func Files(list []File) Source { return files(list) }

// Bundles is evidence at hand: each content is one Sigstore bundle. names tell people where
// each comes from.
func Bundles(names []string, contents [][]byte) Source {
	list := make(files, len(contents))
	for i, content := range contents {
		list[i] = File{names[i], int64(len(content)), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }}
	}
	return list
}

type files []File

func (s files) Candidates(context.Context, digest.Digest) ([]Candidate, error) {
	out := make([]Candidate, len(s))
	for i, file := range s {
		out[i] = Candidate{Likely: true, Name: file.Name,
			Read: func(ctx context.Context, _ int64, emit func(Piece)) error {
				return withinMemory(ctx, file.Size, func() error { return file.read(emit) })
			}}
	}
	return out, nil
}

func (f File) read(emit func(Piece)) error {
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	piece := Piece{Form: FormBundle, Source: f.Name, stored: func(context.Context) (io.ReadCloser, error) { return f.Open() }}
	digester := digest.SHA256.Digester()
	piece.Bundle, err = bundle.Read(io.TeeReader(in, digester.Hash()), f.Size)
	if err = piece.judge(err); err == nil {
		piece.Digest = digester.Digest()
		emit(piece)
	}
	return err
}

// Fresh is evidence that was just made: b is judged as by whoever reads its JSON form, which
// need not be written for that.
func Fresh(name string, b *bundle.Bundle) Source { return fresh{name, b} }

type fresh struct {
	name   string
	bundle *bundle.Bundle
}

func (s fresh) Candidates(context.Context, digest.Digest) ([]Candidate, error) {
	return []Candidate{{Likely: true, Name: s.name, Read: func(_ context.Context, _ int64, emit func(Piece)) error {
		piece := Piece{Form: FormBundle, Source: s.name}
		in, err := s.bundle.Reader()
		if err != nil {
			return err
		}
		digester := digest.SHA256.Digester()
		if _, err := io.Copy(digester.Hash(), in); err != nil {
			return err
		}
		piece.Digest = digester.Digest()
		piece.Bundle, err = s.bundle.Reread()
		if err = piece.judge(err); err == nil {
			emit(piece)
		}
		return err
	}}}, nil
}

// describeUnread says why a candidate could not be read, in one line.
func describeUnread(err error) string {
	return strings.ReplaceAll(fmt.Sprint(err), "\n", " ")
}
