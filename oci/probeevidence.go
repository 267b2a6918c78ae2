package oci

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// packAlone writes the manifest of an artifact that is attached to nothing.
func (a Artifact) packAlone() (Descriptor, []byte, error) {
	raw, err := json.Marshal(ocispec.Manifest{Versioned: versioned2, MediaType: MediaTypeManifest, ArtifactType: a.Type,
		Config: describe(mediaTypeEmpty, emptyJSON), Layers: []Descriptor{plain(a.Layer.Descriptor)}, Annotations: a.Annotations})
	return describe(MediaTypeManifest, raw), raw, err
}

// Types of the evidence that a probe attaches.
const (
	probeTypeA = "application/vnd.hallmark.doctor.a"
	probeTypeB = "application/vnd.hallmark.doctor.b"
)

// evidence attaches two pieces to the subject and looks how they are listed.
func (p *probing) evidence(ctx context.Context, subject Descriptor, layer Blob) []Descriptor {
	var put []Descriptor
	acknowledged := 0
	for _, kind := range []string{probeTypeA, probeTypeB} {
		a := Artifact{Type: kind, Layer: layer, Annotations: map[string]string{"org.example.doctor": p.mark}}
		d, raw, err := a.pack(subject)
		if err != nil {
			continue
		}
		listed, err := p.repo.putManifest(ctx, d.Digest.String(), plain(d), raw, nil)
		if err != nil {
			p.say(ProbeSubject, Unknown, "a manifest with a subject cannot be put: %s", told(err))
			return put
		}
		if put = append(put, d); listed {
			acknowledged++
		}
	}
	if acknowledged == len(put) {
		p.say(ProbeSubject, Yes, "named when evidence is put")
	} else {
		p.say(ProbeSubject, No, "not named when evidence is put")
	}
	list, err := p.repo.referrersPages(ctx, subject.Digest)
	switch {
	case err == nil && len(without(put, list)) == 0:
		p.say(ProbeReferrers, Yes, "lists what is attached")
		p.labels(list)
		p.filter(ctx, subject)
		p.pages(ctx, subject)
		return put
	case err == nil:
		p.say(ProbeReferrers, No, "answers, but does not list what was just attached")
	case noSuchAPI(err):
		p.say(ProbeReferrers, No, "%s", told(err))
	case strings.Contains(err.Error(), pagesDoNotEnd):
		p.say(ProbeReferrers, No, "its lists cannot be read to their end")
		p.say(ProbePages, No, "%s", told(err))
	default:
		p.say(ProbeReferrers, Unknown, "%s", told(err))
	}
	p.fallback(ctx, subject, put)
	return put
}

// labels looks whether a list says what evidence is.
func (p *probing) labels(list []Descriptor) {
	for _, d := range list {
		if d.ArtifactType != probeTypeA && d.ArtifactType != probeTypeB {
			p.say(ProbeLabels, No, "artifactType is given as %q", d.ArtifactType)
			return
		}
		if d.Annotations["org.example.doctor"] == "" {
			p.say(ProbeLabels, No, "annotations are left out")
			return
		}
	}
	p.say(ProbeLabels, Yes, "artifactType and annotations are as they were put")
}

func (p *probing) filter(ctx context.Context, subject Descriptor) {
	u := p.repo.base + "referrers/" + subject.Digest.String() + "?" + url.Values{"artifactType": {probeTypeA}}.Encode()
	page, header, err := p.page(ctx, u)
	switch {
	case err != nil:
		p.say(ProbeFilter, Unknown, "%s", told(err))
	case header.Get("OCI-Filters-Applied") != "" && len(page) == 1:
		p.say(ProbeFilter, Yes, "applied: %s", header.Get("OCI-Filters-Applied"))
	default:
		p.say(ProbeFilter, No, "%d of 2 come back for one type", len(page))
	}
}

// pages asks for pages of one entry.
func (p *probing) pages(ctx context.Context, subject Descriptor) {
	page, header, err := p.page(ctx, p.repo.base+"referrers/"+subject.Digest.String()+"?n=1")
	switch {
	case err != nil:
		p.say(ProbePages, Unknown, "%s", told(err))
	case len(page) == 2:
		p.say(ProbePages, Yes, "two entries come on one page")
	case header.Get("Link") != "":
		p.say(ProbePages, Yes, "%d of 2 entries on a page, with a link to the next", len(page))
	default:
		p.say(ProbePages, No, "%d of 2 entries on a page, and no link to the next", len(page))
	}
}

func (p *probing) page(ctx context.Context, u string) ([]Descriptor, http.Header, error) {
	resp, err := p.repo.want(ctx, request{method: http.MethodGet, url: u, accept: MediaTypeIndex}, http.StatusOK)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	raw, err := readAnswer(resp, MaxReferrersPage, "a page of referrers")
	if err != nil {
		return nil, nil, err
	}
	doc, err := parseListDocument(raw)
	return doc.entries, resp.Header, err
}

// fallback looks whether evidence can be listed under a tag instead.
func (p *probing) fallback(ctx context.Context, subject Descriptor, put []Descriptor) {
	before, err := p.repo.fallbackIndex(ctx, subject.Digest)
	if err != nil {
		p.say(ProbeFallback, Unknown, "%s", told(err))
		return
	}
	raw, err := before.doc.plus(put).marshal()
	if err == nil {
		_, err = p.repo.putManifest(ctx, FallbackTag(subject.Digest), describe(MediaTypeIndex, raw), raw, nil)
	}
	if err != nil {
		p.say(ProbeFallback, answerOf(err), "the list cannot be put: %s", told(err))
		return
	}
	after, err := p.repo.fallbackIndex(ctx, subject.Digest)
	switch {
	case err != nil:
		p.say(ProbeFallback, answerOf(err), "the list cannot be read: %s", told(err))
		return
	case after.shadowed:
		p.say(ProbeFallback, No, "the tag is answered with the image itself")
		return
	case len(without(put, after.doc.entries)) > 0:
		p.say(ProbeFallback, No, "what was put into the list does not come back")
		return
	}
	p.say(ProbeFallback, Yes, "a list under %s works%s", FallbackTag(subject.Digest)[:19]+"…", map[bool]string{true: ", although it was answered with the image itself before"}[before.shadowed])
	p.labels(after.doc.entries)
	p.etag(after)
}

func (p *probing) etag(list fallback) {
	switch {
	case list.etag == "":
		p.say(ProbeETag, No, "lists under a tag have none: writers wait %s for each other", SettleTime)
	case strings.HasPrefix(list.etag, "W/"):
		p.say(ProbeETag, No, "lists under a tag have a weak one, which guards nothing")
	default:
		p.say(ProbeETag, Yes, "lists under a tag have one")
	}
}

// removalTime is how long removing what was put may take after the rest has ended.
const removalTime = 15 * time.Second

// remove takes away what was put, and says what stays.
func (p *probing) remove(ctx context.Context, subject Descriptor, evidence []Descriptor) {
	// An interrupt leaves nothing behind that can be removed soon.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removalTime)
	defer cancel()
	targets := slices.Clone(evidence)
	if list, err := p.repo.fallbackIndex(ctx, subject.Digest); err == nil && list.digest != "" {
		targets = append(targets, Descriptor{Digest: list.digest})
		p.removeTag(ctx, FallbackTag(subject.Digest))
	}
	targets = append(targets, subject)
	p.removeTag(ctx, p.mark)
	var refused error
	for _, d := range targets {
		deleted, err := p.repo.deleteManifest(ctx, d.Digest)
		if deleted {
			continue
		}
		p.found.Left = append(p.found.Left, p.repo.name+"@"+d.Digest.String())
		refused = errors.Join(refused, err)
	}
	switch {
	case len(p.found.Left) == 0:
		p.say(ProbeDelete, Yes, "what was put is removed; its blobs go when the registry tidies up")
	case refused != nil:
		p.say(ProbeDelete, answerOf(refused), "%s", strings.ReplaceAll(refused.Error(), "\n", "; "))
	default:
		p.say(ProbeDelete, No, "the registry deletes no manifests")
	}
	if len(p.found.Left) > 0 {
		p.found.Left = append(p.found.Left, p.repo.name+":"+p.mark)
	}
}

// removeTag removes a tag where the registry can: some remove it with its manifest alone,
// and some do not.
func (p *probing) removeTag(ctx context.Context, tag string) {
	q := request{method: http.MethodDelete, url: p.repo.base + "manifests/" + tag, push: true, remove: true}
	if resp, err := p.repo.do(ctx, q); err == nil {
		resp.Body.Close()
	}
}
