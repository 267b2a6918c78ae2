package stack

import (
	"context"
	"fmt"
	"time"

	"github.com/hallmark-project/hallmark/sandbox/internal/oidc"
	"github.com/hallmark-project/hallmark/sandbox/internal/pki"
	"github.com/hallmark-project/hallmark/sandbox/internal/services"
)

// Serve runs one of the services of other projects in this process until ctx ends or a
// signal comes.
func Serve(ctx context.Context, dir Dir, service Service) error {
	state, err := dir.Load()
	if err != nil {
		return err
	}
	switch service {
	case Fulcio:
		return services.RunFulcio(ctx, services.FulcioConfig{
			Address: state.address(Fulcio), IssuersFile: dir.issuersFile(),
			ChainFile: dir.chainFile("fulcio"), KeyFile: dir.key("fulcio"),
			CTLogURL: state.URL(CTLog), CTLogKey: dir.public("ctlog"),
		})
	case TSA:
		return services.RunTSA(services.TSAConfig{Host: Host, Port: state.Ports[TSA],
			ChainFile: dir.chainFile("tsa"), KeyFile: dir.key("tsa")})
	case Rekor:
		services.RunRekor(services.RekorConfig{
			Host: Host, Port: state.Ports[rekorHTTP], GRPCPort: state.Ports[rekorGRPC], MetricsPort: state.Ports[rekorMetrics],
			Origin: Host, StorageDir: dir.rekorDir(), KeyFile: dir.key("rekor"), Logging: "warn",
		})
		return nil
	}
	return fmt.Errorf("no service is named %q", service)
}

// EmailToken signs an ID token for an address by the sandbox's email issuer. Nothing has
// to be up for that. Bad input wraps [oidc.ErrClaims].
func EmailToken(dir Dir, email, audience string, lifetime time.Duration) (string, error) {
	claims, err := oidc.EmailClaims(email)
	if err != nil {
		return "", err
	}
	return token(dir, "", audience, claims, lifetime)
}

// WorkflowToken is [EmailToken] for a workflow by the GitHub-shaped issuer.
func WorkflowToken(dir Dir, workflow oidc.Workflow, audience string, lifetime time.Duration) (string, error) {
	claims, err := workflow.Claims()
	if err != nil {
		return "", err
	}
	return token(dir, oidc.GitHubPath, audience, claims, lifetime)
}

// GitLabToken is [EmailToken] for a job by the GitLab-shaped issuer.
func GitLabToken(dir Dir, job oidc.GitLabJob, audience string, lifetime time.Duration) (string, error) {
	claims, err := job.Claims()
	if err != nil {
		return "", err
	}
	return token(dir, oidc.GitLabPath, audience, claims, lifetime)
}

// BuildkiteToken is [EmailToken] for a job by the Buildkite-shaped issuer.
func BuildkiteToken(dir Dir, job oidc.BuildkiteJob, audience string, lifetime time.Duration) (string, error) {
	claims, err := job.Claims()
	if err != nil {
		return "", err
	}
	return token(dir, oidc.BuildkitePath, audience, claims, lifetime)
}

func token(dir Dir, path, audience string, claims map[string]any, lifetime time.Duration) (string, error) {
	state, err := dir.Load()
	if err != nil {
		return "", err
	}
	key, err := pki.RSAKey(dir.key("issuer"))
	if err != nil {
		return "", err
	}
	return oidc.Sign(key, state.URL(OIDC)+path, audience, claims, time.Now(), lifetime)
}
