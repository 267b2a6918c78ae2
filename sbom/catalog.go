package sbom

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/anchore/syft/syft"
	"github.com/anchore/syft/syft/sbom"
	"github.com/anchore/syft/syft/source"
)

// catalog has syft look for packages. It returns when all cataloguers have stopped, also when the context ends: syft
// itself would abandon them, and they would go on writing temporary files.
func catalog(ctx context.Context, c *content, j *job, toolVersion string) (*sbom.SBOM, error) {
	scanner, err := licences()
	if err != nil {
		return nil, fmt.Errorf("%w: licence scanner: %w", ErrCatalog, err)
	}
	guard := &guard{ctx: ctx, meter: meter{to: j.progress, event: Event{Stage: StageCatalog, Layer: -1, Layers: c.layers}}}
	guard.meter.flush()
	detached := withLicences{context.WithoutCancel(ctx), scanner}
	found, err := syft.CreateSBOM(detached, guardedSource{c.source, guard}, syftConfig(toolVersionOr(toolVersion)))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, catalogError(err)
	}
	if c.local {
		forgetPlace(found)
	}
	if err := machineTrouble(found); err != nil {
		return nil, err
	}
	sortMetadata(found)
	cleanUnknowns(found, j.temp)
	guard.finish()
	return found, nil
}

func toolVersionOr(v string) string {
	if v == "" {
		return "devel"
	}
	return v
}

// catalogError keeps the first line of syft's errors, because those of a panic go on with a stack.
func catalogError(err error) error {
	if errors.Is(err, ErrLimit) {
		return err
	}
	text, stack, isPanic := strings.Cut(err.Error(), " at:\n")
	if isPanic && strings.Contains(stack, "goroutine ") {
		return fmt.Errorf("%w: %w: %s", ErrCatalog, errPanic, text)
	}
	return fmt.Errorf("%w: %w", ErrCatalog, err)
}

// described is a source under another description: ours, without what depends on the machine.
type described struct {
	source.Source
	description source.Description
}

func (d described) Describe() source.Description { return d.description }

// machineTroubles are what this machine says when it cannot do what cataloguers want of it. Package managers' files that
// could not be unpacked are no part of what a document may leave out.
var machineTroubles = []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM}

// machineTrouble finds out whether cataloguers could not look into something for want of room, which is no property of
// the image.
func machineTrouble(s *sbom.SBOM) error {
	for at, remarks := range s.Artifacts.Unknowns {
		for _, remark := range remarks {
			for _, trouble := range machineTroubles {
				if strings.Contains(remark, trouble.Error()) {
					return fmt.Errorf("%w: %s could not be looked into: %w: make room in %s, or set TMPDIR", ErrCatalog, at.RealPath, trouble, os.TempDir())
				}
			}
		}
	}
	return nil
}

// cleanUnknowns takes the names of temporary files out of the remarks about files that a cataloguer did not
// understand, and puts them in order.
func cleanUnknowns(s *sbom.SBOM, temp string) {
	for at, remarks := range s.Artifacts.Unknowns {
		s.Artifacts.Unknowns[at] = cleanRemarks(remarks, temp)
	}
}

// forgetPlace removes from local files what depends on where they are, who unpacked them and how: absolute paths,
// owners, the group's and others' permissions. As in git, a file is executable or it is not.
func forgetPlace(s *sbom.SBOM) {
	for at, m := range s.Artifacts.FileMetadata {
		m.Path, m.UserID, m.GroupID = at.RealPath, 0, 0
		if m.FileInfo != nil {
			m.FileInfo = plainInfo{m.FileInfo}
		}
		s.Artifacts.FileMetadata[at] = m
	}
}
