package sbom

import (
	"crypto/sha256"
	"fmt"
	"sort"
	"time"

	"github.com/anchore/syft/syft/sbom"
)

// identity is what a document says about itself: who made it, when, and its unique names. All of it follows from the
// content and the options.
type identity struct {
	subject     subject
	toolVersion string
	created     time.Time // UTC, whole seconds
	seed        [sha256.Size]byte
}

func newIdentity(s subject, found *sbom.SBOM, o Options) *identity {
	id := &identity{subject: s, toolVersion: toolVersionOr(o.ToolVersion), created: s.created}
	if o.Created != nil {
		id.created = *o.Created
	}
	id.created = id.created.UTC().Truncate(time.Second)
	if id.created.Year() < 1970 || id.created.Year() > 9999 { // none claimed, or nothing RFC 3339 can write
		id.created = time.Unix(0, 0).UTC()
	}
	id.seed = id.newSeed(found)
	return id
}

// newSeed is a digest of all that makes two documents different. A folder has no digest, so that what was found in it
// stands in.
func (id *identity) newSeed(found *sbom.SBOM) [sha256.Size]byte {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%s\n%s\n%s\n%s\n", id.subject.kind, id.subject.name, id.subject.digest,
		id.toolVersion, syftVersion, id.timestamp())
	if id.subject.digest == "" {
		fmt.Fprint(h, findings(found))
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// findings lists packages and file digests in a stable order.
func findings(found *sbom.SBOM) []string {
	var all []string
	for p := range found.Artifacts.Packages.Enumerate() {
		all = append(all, string(p.ID()))
	}
	for at, digests := range found.Artifacts.FileDigests {
		all = append(all, fmt.Sprint(at.RealPath, digests))
	}
	sort.Strings(all)
	return all
}

func (id *identity) timestamp() string { return id.created.Format(time.RFC3339) }

// uuid is a name-based UUID (RFC 9562, version 8: the hash is SHA-256) of the document in one format.
func (id *identity) uuid(f Format) string {
	u := sha256.Sum256(append([]byte(f+"\n"), id.seed[:]...))
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}
