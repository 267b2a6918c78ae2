package sigstore

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
)

// What the runners' endpoints want, and where they are.
const (
	gitHubPath         = "/github/token"
	gitHubRequestToken = "github-request-token"
	buildkiteToken     = "buildkite-agent-token"
	buildkiteJob       = "0190046e-e199-453b-a302-a21a4d649d31"
	buildkiteIssuer    = "https://agent.buildkite.com"
	googleIssuer       = "https://accounts.google.com"
	metadataPath       = "/computeMetadata/v1/instance/service-accounts/default/identity"
)

// gitHub answers as the runner's ACTIONS_ID_TOKEN_REQUEST_URL does.
func (i *Issuer) gitHub(w http.ResponseWriter, r *http.Request) {
	if got := r.Header.Get("Authorization"); got != "bearer "+gitHubRequestToken && got != "Bearer "+gitHubRequestToken {
		refuse(w, http.StatusUnauthorized, errors.New("the request token is missing or wrong"))
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"value": i.Token(forAudience(i.Workflow, r.URL.Query().Get("audience")))})
}

// buildkite answers as the agent API does.
func (i *Issuer) buildkite(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Token "+buildkiteToken || r.PathValue("job") != buildkiteJob {
		refuse(w, http.StatusUnauthorized, errors.New("the agent token is missing or wrong, or the job is not known"))
		return
	}
	var request struct {
		Audience string `json:"audience"`
	}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"token": i.Token(forAudience(i.Buildkite, request.Audience))})
}

// metadata answers as Google's metadata server does, for a virtual machine's account.
func (i *Issuer) metadata(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Metadata-Flavor", "Google")
	if r.Header.Get("Metadata-Flavor") != "Google" {
		http.Error(w, "Missing Metadata-Flavor:Google header.", http.StatusForbidden)
		return
	}
	audience := r.URL.Query().Get("audience")
	if audience == "" {
		http.Error(w, "non-empty audience parameter required", http.StatusBadRequest)
		return
	}
	_, _ = w.Write([]byte(i.Token(forAudience(i.Account, audience))))
}

// forAudience adds who asked. Without an audience each service has a default of its
// own, which is not Sigstore.
func forAudience(c Claims, audience string) Claims {
	c = maps.Clone(c)
	if audience == "" {
		audience = "https://example.com/default-audience"
	}
	c["aud"] = audience
	return c
}

func buildkiteClaims() Claims {
	return Claims{
		"iss": buildkiteIssuer, "sub": "organization:octo:pipeline:app:ref:refs/heads/main:commit:5a1d3c2:step:build",
		"organization_slug": "octo", "pipeline_slug": "app", "build_number": "7", "job_id": buildkiteJob,
	}
}

func googleClaims() Claims {
	return Claims{"iss": googleIssuer, "sub": "1001", "email": "robot@project.iam.gserviceaccount.com", "email_verified": true}
}
