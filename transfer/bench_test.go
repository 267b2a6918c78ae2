package transfer_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/hallmark-project/hallmark/internal/testkit"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/transfer"
)

// BenchmarkPlan finds out what belongs to an index with evidence on it and its platforms.
func BenchmarkPlan(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "layout")
	testkit.WriteLayout(b, dir, "v1", testkit.NewIndex())
	store, err := oci.OpenLayout(dir)
	if err != nil {
		b.Fatal(err)
	}
	subject, err := store.Resolve(b.Context(), "v1")
	if err != nil {
		b.Fatal(err)
	}
	platforms, err := subject.Platforms()
	if err != nil {
		b.Fatal(err)
	}
	for i, on := range []oci.Subject{subject, platforms[0].Subject, platforms[1].Subject} {
		for n := range 5 {
			if _, err := store.Attach(b.Context(), []oci.Attachment{{Subject: on, Artifact: oci.Artifact{Type: "application/vnd.example",
				Layer: oci.BytesBlob("text/plain", fmt.Appendf(nil, "%d %d", i, n))}}}); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		plan, err := transfer.New(b.Context(), transfer.Source{Images: store, Evidence: store}, subject, nil)
		if err != nil {
			b.Fatal(err)
		}
		if len(plan.Pieces) < 18 {
			b.Fatalf("%d pieces", len(plan.Pieces))
		}
	}
}
