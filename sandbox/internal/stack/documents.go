package stack

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	prototrustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"github.com/sigstore/rekor-tiles/v2/pkg/note"
	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/hallmark-project/hallmark/sandbox/internal/ctlog"
	"github.com/hallmark-project/hallmark/sandbox/internal/oidc"
	"github.com/hallmark-project/hallmark/sandbox/internal/tufrepo"
)

// Names of the targets that Sigstore clients look for.
const (
	trustedRootTarget   = "trusted_root.json"
	signingConfigTarget = "signing_config.v0.2.json"
)

// tsaPath is where the timestamp authority answers requests.
const tsaPath = "/api/v1/timestamp"

const operator = "hallmark-sandbox"

// trustedRoot is the sandbox's trust in one document.
func trustedRoot(state *State, m *material) ([]byte, error) {
	_, rekorID, err := note.KeyHash(Host, m.rekor.Public())
	if err != nil {
		return nil, err
	}
	ctID, err := ctlog.ID(&m.ctLog.PublicKey)
	if err != nil {
		return nil, err
	}
	log := func(service Service, id []byte, key crypto.PublicKey) map[string]*root.TransparencyLog {
		return map[string]*root.TransparencyLog{hex.EncodeToString(id): {
			BaseURL: state.URL(service), ID: id, PublicKey: key, HashFunc: crypto.SHA256,
			SignatureHashFunc: crypto.SHA256, ValidityPeriodStart: state.Created,
		}}
	}
	document, err := root.NewTrustedRoot(root.TrustedRootMediaType01,
		[]root.CertificateAuthority{&root.FulcioCertificateAuthority{
			URI: state.URL(Fulcio), Root: m.caChain[1], Intermediates: m.caChain[:1], ValidityPeriodStart: state.Created,
		}},
		log(CTLog, ctID[:], m.ctLog.Public()),
		[]root.TimestampingAuthority{&root.SigstoreTimestampingAuthority{
			URI: state.URL(TSA) + tsaPath, Root: m.tsaChain[1], Leaf: m.tsaChain[0], ValidityPeriodStart: state.Created,
		}},
		log(Rekor, rekorID, m.rekor.Public()))
	if err != nil {
		return nil, err
	}
	return indented(document)
}

// signingConfig says where to get certificates, identities, entries and timestamps.
func signingConfig(state *State) ([]byte, error) {
	at := func(url string, version uint32) []root.Service {
		return []root.Service{{URL: url, MajorAPIVersion: version, ValidityPeriodStart: state.Created, Operator: operator}}
	}
	anyOne := root.ServiceConfiguration{Selector: prototrustroot.ServiceSelector_ANY}
	document, err := root.NewSigningConfig(root.SigningConfigMediaType02,
		at(state.URL(Fulcio), 1), at(state.URL(OIDC), 1), at(state.URL(Rekor), 2), anyOne, at(state.URL(TSA)+tsaPath, 1), anyOne)
	if err != nil {
		return nil, err
	}
	return indented(document)
}

// indented gives a document one form: that of the protobuf library varies its spaces.
func indented(document json.Marshaler) ([]byte, error) {
	data, err := document.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, data, "", "  "); err != nil {
		return nil, err
	}
	return append(out.Bytes(), '\n'), nil
}

// gitHubTemplates fills the certificate's extensions from the claims of a workflow's
// token, as the public instance does
// (https://github.com/sigstore/fulcio/blob/main/docs/oidc.md#github). A value with braces
// is a template, one without is the name of a claim.
var gitHubTemplates = map[string]string{
	"GithubWorkflowTrigger":               "event_name",
	"GithubWorkflowSHA":                   "sha",
	"GithubWorkflowName":                  "workflow",
	"GithubWorkflowRepository":            "repository",
	"GithubWorkflowRef":                   "ref",
	"BuildSignerURI":                      "{{ .url }}/{{ .job_workflow_ref }}",
	"BuildSignerDigest":                   "job_workflow_sha",
	"RunnerEnvironment":                   "runner_environment",
	"SourceRepositoryURI":                 "{{ .url }}/{{ .repository }}",
	"SourceRepositoryDigest":              "sha",
	"SourceRepositoryRef":                 "ref",
	"SourceRepositoryIdentifier":          "repository_id",
	"SourceRepositoryOwnerURI":            "{{ .url }}/{{ .repository_owner }}",
	"SourceRepositoryOwnerIdentifier":     "repository_owner_id",
	"BuildConfigURI":                      "{{ .url }}/{{ .workflow_ref }}",
	"BuildConfigDigest":                   "workflow_sha",
	"BuildTrigger":                        "event_name",
	"RunInvocationURI":                    "{{ .url }}/{{ .repository }}/actions/runs/{{ .run_id }}/attempts/{{ .run_attempt }}",
	"SourceRepositoryVisibilityAtSigning": "repository_visibility",
}

// env is a file for a shell to source. It holds no secret.
func (d Dir) env(state *State) []byte {
	return exports([][2]string{
		{"HALLMARK_SANDBOX", string(d)},
		{"HALLMARK_TRUSTED_ROOT", d.trustedRootFile()},
		{"HALLMARK_SIGNING_CONFIG", d.signingConfigFile()},
		{"HALLMARK_OIDC_ISSUER", state.URL(OIDC)},
		{"HALLMARK_TUF_MIRROR", state.URL(TUF)},
		{"HALLMARK_TUF_ROOT", d.path("tuf", tufrepo.RootFile)},
	})
}

// gitHubEnv is a file that makes a shell look like a job of GitHub Actions that may ask
// for ID tokens. Another job than that of the variables is asked for by the query of the
// URL.
func gitHubEnv(state *State, bearer string) []byte {
	return exports(append(oidc.Workflow{Repository: oidc.DefaultRepository}.Variables(), [][2]string{
		{"ACTIONS_ID_TOKEN_REQUEST_URL", state.GitHubIssuer() + "/token?api-version=2.0"},
		{"ACTIONS_ID_TOKEN_REQUEST_TOKEN", bearer},
	}...))
}

func exports(variables [][2]string) []byte {
	var out bytes.Buffer
	for _, v := range variables {
		fmt.Fprintf(&out, "export %s='%s'\n", v[0], strings.ReplaceAll(v[1], "'", `'\''`))
	}
	return out.Bytes()
}
