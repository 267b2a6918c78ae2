package cli

import (
	"strings"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/transfer"
)

// wantedTypes are the types of evidence that are copied; nil is all. Labels decide: what
// has none goes along, because it may be what was meant.
type wantedTypes struct{ types []policy.Type }

const notWanted = "it is of another type"

func typesWanted(names []string, signatures bool) (*wantedTypes, error) {
	if signatures {
		if len(names) > 0 {
			return nil, usagef("--signatures-only and --type exclude each other")
		}
		names = []string{policy.Signature}
	}
	if len(names) == 0 {
		return nil, nil
	}
	w := &wantedTypes{}
	for _, name := range names {
		t, err := policy.ParseType(name)
		if err != nil {
			return nil, usagef("--type: %w", err)
		}
		w.types = append(w.types, t)
	}
	return w, nil
}

// has reports whether evidence goes along, and if not, why.
func (w *wantedTypes) has(p *transfer.Piece, m *oci.Manifest) (reason string, ok bool) {
	if w == nil {
		return "", true
	}
	uris, known := typesOf(p, m)
	if !known {
		return "", true
	}
	for _, uri := range uris {
		for _, t := range w.types {
			if t.Matches(uri) {
				return "", true
			}
		}
	}
	return notWanted, false
}

// predicateReference is the type of statements that name another document, whose own type
// the label does not say.
const predicateReference = "https://in-toto.io/attestation/reference/v0.1"

// sbomMedia are predicate types by the media types of SBOMs that are attached bare.
var sbomMedia = map[string]string{
	"application/spdx+json": "https://spdx.dev/Document", "text/spdx": "https://spdx.dev/Document", "text/spdx+json": "https://spdx.dev/Document",
	"application/vnd.cyclonedx+json": "https://cyclonedx.org/bom", "application/vnd.cyclonedx+xml": "https://cyclonedx.org/bom", "application/vnd.cyclonedx": "https://cyclonedx.org/bom",
	"application/vnd.syft+json": "https://syft.dev/bom",
}

// typesOf are the predicate types that evidence is labelled with; known is false where the
// label does not say.
func typesOf(p *transfer.Piece, m *oci.Manifest) (uris []string, known bool) {
	artifactType := p.Descriptor.ArtifactType
	switch {
	case bundle.IsMediaType(artifactType):
		uri := m.Annotations[annotationPredicateType]
		return []string{uri}, uri != "" && uri != predicateReference
	case p.Kind == transfer.KindTagged && strings.HasSuffix(p.Tag, ".sig"),
		artifactType == "application/vnd.cncf.notary.signature", artifactType == "application/vnd.dev.cosign.artifact.sig.v1+json":
		return []string{bundle.PredicateSignature}, true
	case sbomMedia[artifactType] != "":
		return []string{sbomMedia[artifactType]}, true
	}
	for _, layer := range m.Layers {
		switch uri := layer.Annotations["predicateType"]; {
		case uri != "":
			uris = append(uris, uri)
		case sbomMedia[layer.MediaType] != "":
			uris = append(uris, sbomMedia[layer.MediaType])
		default:
			return nil, p.Kind != transfer.KindTagged && !bundle.IsMediaType(layer.MediaType)
		}
	}
	return uris, true
}
