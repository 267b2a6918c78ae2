package interop

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// treeNode is what tests read of `hallmark tree -o json`.
type treeNode struct {
	Kind          string     `json:"kind"`
	Digest        string     `json:"digest"`
	Tag           string     `json:"tag"`
	ArtifactType  string     `json:"artifactType"`
	PredicateType string     `json:"predicateType"`
	Children      []treeNode `json:"children"`
}

// tree lists every node of hallmark's tree.
func (d *desk) tree(ref string) []treeNode {
	d.t.Helper()
	out := d.hallmark(0, "tree", "-o", "json", ref)
	if out.code != 0 {
		d.t.FailNow()
	}
	result := decode[struct {
		Verified bool     `json:"verified"`
		Root     treeNode `json:"root"`
	}](d.t, []byte(out.stdout))
	if result.Verified {
		d.t.Error("tree claims that it verified something")
	}
	var nodes []treeNode
	var walk func(treeNode)
	walk = func(n treeNode) {
		children := n.Children
		n.Children = nil
		nodes = append(nodes, n)
		for _, child := range children {
			walk(child)
		}
	}
	walk(result.Root)
	return nodes
}

// TestTrees: each tool's tree lists the other's evidence, by predicate type.
func TestTrees(t *testing.T) {
	everyRegistry(t, func(t *testing.T, r *registry) {
		d, i := newDesk(t), r.image(t, "oci")
		predicate := d.file("spdx.json", spdxDocument)
		d.hallmark(0, "sign", "--key", d.keys.hallmark.private, i.platform(0))
		d.hallmark(0, "attest", "--key", d.keys.hallmark.private, "--type", "spdx", "--predicate", predicate, i.platform(0))
		cosigns := d.cosign(0, "tree", "--allow-http-registry", i.platform(0)).stdout
		d.cosignSigns(i.platform(1))
		d.cosignAttests("spdxjson", predicate, i.platform(1))
		hallmarks := d.tree(i.ref())
		for _, uri := range []string{"https://sigstore.dev/cosign/sign/v1", "https://spdx.dev/Document"} {
			if !strings.Contains(cosigns, uri+" artifacts via OCI referrer") {
				t.Errorf("cosign tree does not list hallmark's %s:\n%s", uri, cosigns)
			}
			listed := 0
			for _, n := range hallmarks {
				if n.Kind == "sigstore-bundle" && n.PredicateType == uri {
					listed++
				}
			}
			if listed != 2 {
				t.Errorf("hallmark tree lists %d of %s, want its own and cosign's: %+v", listed, uri, hallmarks)
			}
		}
	})
}

// TestListing: other clients find hallmark's bundles by their type, without reading
// each, and the manifests say the same as the list.
func TestListing(t *testing.T) {
	everyRegistry(t, func(t *testing.T, r *registry) {
		d, i := newDesk(t), r.image(t, "oci")
		digest := i.platforms[0].digest
		d.hallmark(0, "sign", "--key", d.keys.hallmark.private, i.at(digest))
		d.hallmark(0, "attest", "--key", d.keys.hallmark.private, "--type", "spdx", "--predicate", d.file("spdx.json", spdxDocument), i.at(digest))
		listed := i.attached(digest)
		if r.referrers {
			listed = i.filtered(digest, bundleType)
			if other := i.filtered(digest, "application/example"); len(other) != 0 {
				t.Errorf("%d entries of another type", len(other))
			}
		}
		var types []string
		for _, entry := range listed {
			types = append(types, entry.Annotations[predicateLabel])
			m, _ := i.bundle(entry)
			checkEntry(t, entry, m)
			if m.Subject == nil || m.Subject.Digest != digest || m.Subject.MediaType != manifestType {
				t.Errorf("%s: subject %+v", entry.Digest, m.Subject)
			}
		}
		slices.Sort(types)
		if want := []string{"https://sigstore.dev/cosign/sign/v1", "https://spdx.dev/Document"}; !slices.Equal(types, want) {
			t.Errorf("listed predicate types %v, want %v", types, want)
		}
	})
}

// filtered asks the referrers API for one type.
func (i image) filtered(digest, artifactType string) []descriptor {
	i.t.Helper()
	what := "referrers/" + digest + "?" + url.Values{"artifactType": {artifactType}}.Encode()
	status, raw := i.registry.do(i.t, http.MethodGet, i.name, what, http.Header{"Accept": {indexType}}, nil)
	if status != http.StatusOK {
		i.t.Fatalf("%s: status %d", what, status)
	}
	return decode[manifest](i.t, raw).Manifests
}

// checkEntry compares an entry of a list with the manifest that it is about.
func checkEntry(t *testing.T, entry descriptor, m manifest) {
	t.Helper()
	if entry.ArtifactType != bundleType || m.ArtifactType != bundleType || entry.MediaType != manifestType {
		t.Errorf("%s: listed as %s %s, the manifest says %s", entry.Digest, entry.MediaType, entry.ArtifactType, m.ArtifactType)
	}
	if m.Config == nil || m.Config.MediaType != "application/vnd.oci.empty.v1+json" || m.Config.Size != 2 || m.Layers[0].MediaType != bundleType {
		t.Errorf("%s: config %+v, layer %+v", entry.Digest, m.Config, m.Layers[0])
	}
	for _, name := range []string{"org.opencontainers.image.created", "dev.sigstore.bundle.content", predicateLabel} {
		if m.Annotations[name] == "" || entry.Annotations[name] != m.Annotations[name] {
			t.Errorf("%s: annotation %s is %q in the list and %q in the manifest", entry.Digest, name, entry.Annotations[name], m.Annotations[name])
		}
	}
	if content := m.Annotations["dev.sigstore.bundle.content"]; content != "dsse-envelope" {
		t.Errorf("%s: content %q", entry.Digest, content)
	}
}
