package policy

import (
	"fmt"
	"slices"
	"time"
)

// TestVersion names the form of a file of cases.
const TestVersion = "hallmark.policy-test/v1"

// Case is a subject with what a policy is expected to decide about it.
type Case struct {
	Name        string     `yaml:"name"`
	Subject     string     `yaml:"subject"` // as on the command line; paths are relative to the file
	Image       string     `yaml:"as"`
	Environment string     `yaml:"environment"`
	Platforms   []string   `yaml:"platforms"`
	Bundles     []string   `yaml:"bundles"`
	Time        *time.Time `yaml:"at"`
	Expect      string     `yaml:"expect"`
	Because     string     `yaml:"because"` // stands in a cause, if anything fails
	At          place      `yaml:"-"`
}

// Position is where the case stands, for people.
func (c Case) Position() string { return fmt.Sprintf("%s:%d", c.At.file, c.At.line) }

// Expectations are the outcomes that a case may expect.
func Expectations() []string {
	return []string{"verified", "rejected", "missing", "inconclusive", "not covered"}
}

// ParseCases reads a file of cases. Errors wrap [ErrFile].
func ParseCases(f File) ([]Case, error) {
	var doc struct {
		Version string `yaml:"schemaVersion"`
		Cases   []Case `yaml:"cases"`
		At      place  `yaml:"-"`
	}
	if err := decode(f.Name, f.Data, &doc); err != nil {
		return nil, err
	}
	if doc.Version != TestVersion {
		return nil, doc.At.problem("schemaVersion is %q: this program reads %s", doc.Version, TestVersion)
	}
	if len(doc.Cases) == 0 {
		return nil, doc.At.problem("there is no case")
	}
	names := map[string]bool{}
	for _, c := range doc.Cases {
		switch {
		case c.Name == "" || c.Subject == "":
			return nil, c.At.problem("a case needs a name and a subject")
		case names[c.Name]:
			return nil, c.At.problem("two cases are called %q", c.Name)
		case !slices.Contains(Expectations(), c.Expect):
			return nil, c.At.problem("expect: %q is none of %v", c.Expect, Expectations())
		case c.Because != "" && c.Expect == "verified":
			return nil, c.At.problem("because: nothing fails where everything is verified")
		}
		names[c.Name] = true
	}
	return doc.Cases, nil
}
