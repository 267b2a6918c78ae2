package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/verify"
)

// node is one thing in the tree of an image and what is attached to it.
type node struct {
	Kind          string  `json:"kind"`
	Digest        string  `json:"digest"`
	Tag           string  `json:"tag,omitempty"`
	Platform      string  `json:"platform,omitempty"`
	ArtifactType  string  `json:"artifactType,omitempty"`
	PredicateType string  `json:"predicateType,omitempty"`
	Created       string  `json:"created,omitempty"`
	Size          int64   `json:"size,omitempty"`
	Refers        *refers `json:"refersTo,omitempty"`
	Children      []*node `json:"children,omitempty"`
}

// refers is the SBOM that a statement refers to.
type refers struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
}

// Kinds of nodes.
const (
	kindIndex             = "index"
	kindImage             = "image"
	kindBundle            = "sigstore-bundle"
	kindCosignSignature   = "cosign-signature"
	kindCosignAttestation = "cosign-attestation"
	kindCosignSBOM        = "cosign-sbom"
	kindNotation          = "notation-signature"
	kindBuildkit          = "buildkit-attestation"
	kindSBOM              = "sbom" // an artifact of its own, which statements may refer to
	kindArtifact          = "artifact"
)

type treeResult struct {
	SchemaVersion string `json:"schemaVersion"`
	Verified      bool   `json:"verified"` // always false
	Subject       string `json:"subject"`
	Root          *node  `json:"root"`
}

func (a *App) treeCommand() *cobra.Command {
	var output outputFlag
	var evidence evidenceFlags
	cmd := &cobra.Command{
		Use: "tree SUBJECT", Short: "Show an image, its platforms and what is attached to them", Args: wants(cobra.ExactArgs(1)),
		Long: `Draw an image, its platforms and everything attached to them: Sigstore bundles,
cosign's tags, notation signatures, buildkit's attestations, SBOMs and other artifacts.

Nothing is verified: anybody who can write to the repository can attach anything. Use
'hallmark verify' to find out what counts.`,
		Example: "  hallmark tree registry.example.com/app:v1",
		RunE: func(cmd *cobra.Command, args []string) error {
			asJSON, err := output.json()
			if err != nil {
				return err
			}
			s, err := a.session()
			if err != nil {
				return err
			}
			t, err := a.imageTarget(cmd.Context(), s, args[0], evidence)
			if err != nil {
				return err
			}
			root, err := buildTree(cmd.Context(), t)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(treeResult{"hallmark.tree/v1", false, t.subject.String(), root})
			}
			var text bytes.Buffer
			fmt.Fprintf(&text, "%s (unverified)\n", t.subject)
			printTree(&text, root, "")
			_, err = text.WriteTo(a.Out)
			return err
		},
	}
	evidence.add(cmd)
	output.add(cmd)
	return cmd
}

// imageTarget resolves a subject that must be an image or index in a store.
func (a *App) imageTarget(ctx context.Context, s *session, text string, e evidenceFlags) (*target, error) {
	t, err := a.resolve(ctx, s, text, e, true)
	if err == nil && t.evidence == nil {
		err = usagef("%s: nothing can be attached to a file", text)
	}
	return t, err
}

func buildTree(ctx context.Context, t *target) (*node, error) {
	root := imageNode(oci.Platform{Subject: t.subject})
	platforms, err := t.subject.Platforms()
	if err != nil {
		return nil, err
	}
	nodes := []*node{root}
	digests := []oci.Platform{{Subject: t.subject}}
	for _, p := range platforms {
		child := imageNode(p)
		root.Children = append(root.Children, child)
		nodes = append(nodes, child)
		digests = append(digests, p)
	}
	found := make([][]*node, len(nodes))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(surveysAtOnce)
	for i := range nodes {
		group.Go(func() (err error) {
			found[i], err = attachedTo(gctx, t.evidence, digests[i].Subject)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, n := range nodes {
		n.Children = append(found[i], n.Children...)
	}
	addBuildAttestations(root, t.subject)
	return root, nil
}

func imageNode(p oci.Platform) *node {
	kind := kindImage
	if p.Subject.IsIndex() {
		kind = kindIndex
	}
	return &node{Kind: kind, Digest: p.Subject.Digest().String(), Platform: p.Name, Size: p.Subject.Descriptor().Size}
}

// attachedTo lists what is attached to a digest, as referrers and under cosign's
// tags.
func attachedTo(ctx context.Context, store oci.Store, subject oci.Subject) ([]*node, error) {
	referrers, err := store.Referrers(ctx, subject.Digest())
	if err != nil {
		return nil, err
	}
	out := make([]*node, len(referrers))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(surveysAtOnce)
	for i, d := range referrers {
		group.Go(func() (err error) {
			out[i], err = referrerNode(gctx, store, d)
			return err
		})
	}
	legacy := make([]*node, 3)
	for i, suffix := range []string{".sig", ".att", ".sbom"} {
		group.Go(func() (err error) {
			legacy[i], err = legacyNode(gctx, store, oci.FallbackTag(subject.Digest())+suffix)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, n := range legacy {
		if n != nil {
			out = append(out, n)
		}
	}
	return out, nil
}

// referrerNode describes a referrer. Where the list does not carry its annotations,
// as after cosign on a registry without the referrers API, its manifest is read.
func referrerNode(ctx context.Context, store oci.Store, d oci.Descriptor) (*node, error) {
	artifactType, annotations := d.ArtifactType, d.Annotations
	if artifactType == "" || bundle.IsMediaType(artifactType) && annotations[annotationPredicateType] == "" {
		m, _, err := oci.FetchManifest(ctx, store, oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size})
		if err != nil {
			return nil, fmt.Errorf("referrer %s: %w", d.Digest, err)
		}
		annotations = m.Annotations
		if artifactType = m.ArtifactType; artifactType == "" {
			artifactType = m.Config.MediaType
		}
	}
	n := &node{Kind: kindArtifact, Digest: d.Digest.String(), Size: d.Size, ArtifactType: printable(artifactType),
		PredicateType: printable(annotations[annotationPredicateType]), Created: printable(annotations[annotationCreated])}
	switch {
	case bundle.IsMediaType(artifactType):
		n.Kind = kindBundle
		if n.PredicateType == bundle.PredicateReference {
			n.Refers = referred(ctx, store, d)
		}
	case policy.DocumentOf(artifactType) != "":
		n.Kind = kindSBOM
	case artifactType == "application/vnd.cncf.notary.signature":
		n.Kind = kindNotation
	case artifactType == "application/vnd.dev.cosign.artifact.sig.v1+json":
		n.Kind = kindCosignSignature
	}
	return n, nil
}

// maxReference is the size of a bundle that is read to see what it refers to.
const maxReference = 1 << 20

// referred is the SBOM that a bundle refers to, nil if that cannot be found out: a tree
// shows what there is, and judges nothing.
func referred(ctx context.Context, store oci.Store, d oci.Descriptor) (found *refers) {
	err := verify.Referrer(store, d).Read(ctx, maxReference, func(p verify.Piece) {
		envelope := envelopeOf(p)
		if envelope == nil {
			return
		}
		statement, err := bundle.ParseStatement(envelope.Payload)
		if err != nil {
			return
		}
		if r := verify.Refers(statement); r != nil {
			found = &refers{printable(r.MediaType), printable(r.Digest.String())}
		}
	})
	if err != nil {
		return nil
	}
	return found
}

const (
	annotationPredicateType = "dev.sigstore.bundle.predicateType"
	annotationCreated       = "org.opencontainers.image.created"
)

func legacyNode(ctx context.Context, store oci.Store, tag string) (*node, error) {
	subject, err := store.Resolve(ctx, tag)
	if errors.Is(err, oci.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("tag %s: %w", tag, err)
	}
	kinds := map[string]string{".sig": kindCosignSignature, ".att": kindCosignAttestation, ".sbom": kindCosignSBOM}
	n := &node{Kind: kinds[tag[strings.LastIndexByte(tag, '.'):]], Digest: subject.Digest().String(), Tag: tag, Size: subject.Descriptor().Size}
	if m := subject.Manifest(); m != nil && len(m.Layers) == 1 {
		n.PredicateType = printable(m.Layers[0].Annotations["predicateType"])
	}
	return n, nil
}

// addBuildAttestations puts buildkit's unsigned attestations below the platform that
// they speak of.
func addBuildAttestations(root *node, subject oci.Subject) {
	for _, b := range subject.BuildAttestations() {
		parent := root
		for _, child := range root.Children {
			if child.Digest == b.About.String() {
				parent = child
			}
		}
		parent.Children = append(parent.Children, &node{Kind: kindBuildkit, Digest: b.Descriptor.Digest.String(), Size: b.Descriptor.Size})
	}
}

func printTree(out io.Writer, n *node, indent string) {
	if indent == "" {
		fmt.Fprintf(out, "%s %s\n", n.Kind, n.Digest)
	}
	for i, child := range n.Children {
		branch, below := "├── ", "│   "
		if i == len(n.Children)-1 {
			branch, below = "└── ", "    "
		}
		fmt.Fprintf(out, "%s%s%s\n", indent, branch, child.line())
		printTree(out, child, indent+below)
	}
}

func (n *node) line() string {
	parts := []string{n.Kind}
	switch {
	case n.Platform != "":
		parts = append(parts, printable(n.Platform))
	case n.PredicateType != "":
		parts = append(parts, policy.TypeOf(n.PredicateType).String())
	case n.Kind == kindSBOM:
		parts = append(parts, policy.TypeOf(policy.DocumentOf(n.ArtifactType)).String())
	case n.Kind == kindArtifact:
		parts = append(parts, n.ArtifactType)
	}
	parts = append(parts, n.Digest)
	if n.Tag != "" {
		parts = append(parts, "(tag "+n.Tag+")")
	}
	if n.Refers != nil {
		parts = append(parts, "-> "+policy.TypeOf(policy.DocumentOf(n.Refers.MediaType)).String(), n.Refers.Digest)
	}
	if n.Created != "" {
		parts = append(parts, n.Created)
	}
	if n.Kind == kindBuildkit {
		parts = append(parts, "(unsigned)")
	}
	return strings.Join(parts, " ")
}
