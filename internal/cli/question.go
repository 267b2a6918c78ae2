package cli

import (
	"encoding/json"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/pflag"

	"github.com/hallmark-project/hallmark/internal/render"
	"github.com/hallmark-project/hallmark/trust"
	"github.com/hallmark-project/hallmark/verify"
)

// undecisive are the flags that change nothing about a verdict, and those whose content is
// part of the question rather than the name of a file. Every other flag is part of it, also
// one that is invented later.
var undecisive = []string{
	"output", "list", "parallel", "resume", "details", "quiet", "verbose", "log-format", "config", "timeout", "retries", "help",
	"filename", "build-arg", "cache-dir", "no-cache",
	"key", "policy", "trusted-root", "bundle",
}

// question is everything that decides about a subject, but for the subject itself, what is
// attached to it, and the present time.
type question struct {
	Schema     string              `json:"schema"`
	Tool       string              `json:"tool"`
	Flags      map[string][]string `json:"flags"`
	Policy     *render.Policy      `json:"policy"`
	Material   map[string]string   `json:"material"` // fingerprints of what the policy refers to
	Keys       []questionKey       `json:"keys"`
	KeysInLog  bool                `json:"keysInLog"`
	Instances  []questionInstance  `json:"instances"`
	Bundles    []digest.Digest     `json:"bundles"`
	Repository string              `json:"repository"` // of the evidence, from the environment
}

type questionKey struct {
	Fingerprint, Name string
	Validity          trust.Window
}

type questionInstance struct {
	Name    string // of a policy's signer
	Private bool
	Digest  digest.Digest
}

// question is the digest of everything that decides: verdicts with the same one belong
// together.
func (b *bench) question() (string, error) {
	q := question{Schema: render.LineVersion, Tool: "hallmark/" + Version(), Flags: deciding(b.o.many.flags), KeysInLog: b.root.KeysInLog}
	q.Repository, _ = b.app.Env("COSIGN_REPOSITORY")
	if b.loaded != nil {
		q.Policy, q.Material = b.loaded.described(), b.loaded.material
		for i := range q.Policy.Files { // the same policy from another folder is the same
			q.Policy.Files[i].Name = ""
		}
	}
	for _, key := range b.root.Keys {
		one := questionKey{Fingerprint: key.Fingerprint(), Validity: key.Validity}
		if b.loaded != nil { // rules speak of it by its name; elsewhere that is its file
			one.Name = key.Name
		}
		q.Keys = append(q.Keys, one)
	}
	for _, i := range b.root.Instances {
		one, err := askedInstance(i)
		if err != nil {
			return "", err
		}
		q.Instances = append(q.Instances, one)
	}
	for _, file := range b.bundles {
		d, err := digestOf(file)
		if err != nil {
			return "", err
		}
		q.Bundles = append(q.Bundles, d)
	}
	raw, err := json.Marshal(q)
	return digest.FromBytes(raw).String(), err
}

// deciding are the flags that decide, with their values, whether given or not.
func deciding(flags *pflag.FlagSet) map[string][]string {
	out := map[string][]string{}
	flags.VisitAll(func(f *pflag.Flag) {
		if slices.Contains(undecisive, f.Name) {
			return
		}
		out[f.Name] = []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			out[f.Name] = list.GetSlice()
		}
	})
	return out
}

func askedInstance(i trust.Instance) (questionInstance, error) {
	out := questionInstance{Private: i.Private}
	if i.Private {
		out.Name = i.Name
	}
	raw, err := trust.EncodeInstance(i)
	out.Digest = digest.FromBytes(raw)
	return out, err
}

func digestOf(file verify.File) (digest.Digest, error) {
	in, err := file.Open()
	if err != nil {
		return "", usage(err)
	}
	defer in.Close()
	d, err := digest.FromReader(in)
	if err != nil {
		return "", usagef("%s: %w", file.Name, err)
	}
	return d, nil
}
