package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/internal/render"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/pack"
	"github.com/hallmark-project/hallmark/trust"
)

// packPlaces are the paths of what a pack holds besides the layout.
const (
	packResult = "result.json"
	packHTML   = "report.html"
	packRoot   = "trusted-root.jsonl"

	packBundles = "bundles/" // evidence that files held
)

// writePack writes everything that a decision was reached by into one file, which must
// not be there yet. What could not be read cannot be packed: nothing is decided then.
func (b *bench) writePack(ctx context.Context, name string, who *author, r *render.Result, v *judgement) error {
	files, err := b.packFiles(ctx, r, v)
	if err != nil {
		return err
	}
	m, material, err := b.packManifest(v)
	if err != nil {
		return err
	}
	var seal func([]byte) ([]byte, error)
	if who != nil {
		seal = func(manifest []byte) ([]byte, error) { return b.app.sealPack(ctx, who, manifest) }
	}
	p := b.app.progress("Packing the evidence")
	defer p.end()
	err = writeWith(name, 0o644, false, func(w io.Writer) error { return pack.Write(w, m, append(files, material...), seal) })
	if err != nil {
		return fileError(err)
	}
	return nil
}

// packFiles are the layout, the result and the report.
func (b *bench) packFiles(ctx context.Context, r *render.Result, v *judgement) ([]pack.File, error) {
	blobs, index, err := layoutOf(ctx, v)
	if err != nil {
		return nil, err
	}
	files := []pack.File{pack.Content("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)), pack.Content("index.json", index)}
	for _, d := range blobs {
		store := v.record.Store
		if d.store != nil {
			store = d.store
		}
		files = append(files, pack.File{Path: path.Join("blobs", d.Digest.Algorithm().String(), d.Digest.Encoded()), Size: d.Size,
			Open: func() (io.ReadCloser, error) { return store.Fetch(ctx, d.Descriptor) }})
	}
	for format, name := range map[string]string{"json": packResult, "html": packHTML} {
		var doc bytes.Buffer
		if err := render.Write(format, &doc, r); err != nil {
			return nil, err
		}
		files = append(files, pack.Content(name, doc.Bytes()))
	}
	for i, file := range b.o.bundles {
		bundles, err := b.app.bundlesIn(file, b.o.maxBundle)
		if err != nil {
			return nil, err
		}
		for n, one := range bundles {
			files = append(files, pack.File{Path: fmt.Sprintf("%s%04d-%06d.json", packBundles, i, n), Size: one.Size, Open: one.Open})
		}
	}
	for evidence, document := range v.documents {
		d := oci.Descriptor{Digest: document.Digest, Size: document.Size}
		files = append(files, pack.File{Path: "sboms/" + evidence.Encoded() + ".json", Size: d.Size,
			Open: func() (io.ReadCloser, error) { return v.record.Store.Fetch(ctx, d) }})
	}
	for evidence, predicate := range v.packed {
		files = append(files, pack.Content("sboms/"+evidence.Encoded()+".json", predicate))
	}
	return files, nil
}

// packedBlob is content with the store that has it; nil is that of the evidence.
type packedBlob struct {
	oci.Descriptor
	store oci.Store
}

// layoutOf is what was read, as an OCI layout: the subject, its platforms with their
// configurations, and the evidence.
func layoutOf(ctx context.Context, v *judgement) (blobs []packedBlob, index []byte, err error) {
	found := map[digest.Digest]packedBlob{}
	for _, d := range v.record.blobs {
		found[d.Digest] = packedBlob{Descriptor: d}
	}
	add := func(d oci.Descriptor) {
		found[d.Digest] = packedBlob{oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}, v.target.images}
	}
	add(v.target.subject.Descriptor())
	images, err := imagesOf(v.target.subject, nil)
	if err != nil {
		return nil, nil, err
	}
	for _, image := range images {
		loaded, err := oci.LoadManifest(ctx, v.target.images, image.Subject)
		if err != nil {
			return nil, nil, err
		}
		add(loaded.Descriptor())
		if config := loaded.Manifest().Config; config.Digest != "" {
			add(config)
		}
	}
	entries := []oci.Descriptor{plain(v.target.subject.Descriptor())}
	for _, d := range v.record.lists {
		if _, read := found[d.Digest]; read {
			entries = append(entries, d)
		}
	}
	for tag, d := range v.record.tags {
		tagged := plain(d)
		tagged.Annotations = map[string]string{"org.opencontainers.image.ref.name": tag}
		entries = append(entries, tagged)
	}
	slices.SortFunc(entries[1:], func(a, b oci.Descriptor) int {
		return cmp.Or(cmp.Compare(a.Digest, b.Digest), cmp.Compare(fmt.Sprint(a.Annotations), fmt.Sprint(b.Annotations)))
	})
	index, err = json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": oci.MediaTypeIndex, "manifests": entries})
	for _, key := range slices.Sorted(maps.Keys(found)) {
		blobs = append(blobs, found[key])
	}
	return blobs, index, err
}

func plain(d oci.Descriptor) oci.Descriptor {
	return oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
}

// packManifest describes the pack, and gives the policy with all that it refers to.
func (b *bench) packManifest(v *judgement) (m pack.Manifest, files []pack.File, err error) {
	name, err := v.target.subjectName(b.o.policy.as)
	if err != nil {
		return m, nil, err
	}
	m = pack.Manifest{Tool: "hallmark/" + Version(), Created: b.now.UTC().Truncate(time.Second), Environment: b.loaded.environment, Material: map[string]string{},
		Subject: pack.Subject{Reference: v.Subject.Subject, Name: name, Digest: v.Digest, Platforms: b.o.platforms}}
	for i, f := range b.loaded.set.Files {
		at := fmt.Sprintf("policy/%d-%s", i, notInPaths.ReplaceAllString(filepath.Base(f.Name), "-"))
		m.Policy, files = append(m.Policy, at), append(files, pack.Content(at, f.Data))
	}
	for signer, content := range b.loaded.content {
		at := "material/" + digest.FromString(signer).Encoded()[:16] + ".pem"
		m.Material[signer], files = at, append(files, pack.Content(at, content))
	}
	var roots []byte
	for _, i := range b.loaded.root.Instances {
		if i.Private {
			continue // among the material
		}
		one, err := trust.EncodeInstance(i)
		if err != nil {
			return m, nil, err
		}
		var line bytes.Buffer
		if err := json.Compact(&line, one); err != nil {
			return m, nil, err
		}
		roots = append(append(roots, line.Bytes()...), '\n')
	}
	if len(roots) > 0 {
		m.TrustedRoot, files = packRoot, append(files, pack.Content(packRoot, roots))
	}
	return m, files, nil
}

// sealPack signs a pack's manifest.
func (a *App) sealPack(ctx context.Context, who *author, manifest []byte) ([]byte, error) {
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(manifest)), nil }
	signed, err := who.signer.SignFile(ctx, open)
	if err != nil {
		return nil, err
	}
	subject, err := oci.DigestSubject(digest.FromBytes(manifest))
	if err != nil {
		return nil, err
	}
	if err := a.prove(ctx, who, subject, bundle.PredicateSignature, signed, open); err != nil {
		return nil, err
	}
	if len(signed.Timestamps) == 0 {
		a.message("Warning: the pack's signature has no timestamp (--tsa), so that nobody can tell later when it was made.")
	}
	return signed.MarshalJSON()
}
