package cli

// Variable is a variable of the environment that this program reads.
type Variable struct {
	Name string
	What string
	// Flag does the same on the command line, and goes first.
	Flag   string
	Secret bool // the value is shown nowhere
}

const envConfig = "HALLMARK_CONFIG"

// Variables are all variables that are read, but for those that get into provenance, which
// docs/build-types.md lists.
func Variables() []Variable {
	return []Variable{
		{envConfig, "configuration file that is read instead of the user's own", "config", false},
		{"HALLMARK_PASSWORD", "password of the private key", "password-file", true},
		{"COSIGN_PASSWORD", "the same, if HALLMARK_PASSWORD is not set", "password-file", true},
		{"COSIGN_REPOSITORY", "repository that holds the evidence instead of the image's own", "evidence-repository", false},
		{envTrustedRoot, "files with trusted roots, separated like folders in PATH", "trusted-root", false},
		{envSigningConfig, "file that names the signing services", "signing-config", false},
		{envTrustDir, "folder of 'trust init'", "", false},
		{envSpool, "folder that remembers what is to be logged later", "spool", false},
		{envCacheDir, "folder that keeps what was read and made; an absolute path", "cache-dir", false},
		{envNoCache, "if true, the cache is neither used nor filled", "no-cache", false},
		{envCacheSize, "how many bytes the cache may hold, such as 500MB (else 2GiB)", "", false},
		{"HALLMARK_SANDBOX_PROGRAM", "the program hallmark-sandbox", "", false},
		{"HALLMARK_ID_TOKEN", "an identity token", "identity-token", true},
		{"HALLMARK_OIDC_ISSUER", "who a person signs in with", "", false},
		{"SIGSTORE_ID_TOKEN", "an identity token, as GitLab's id_tokens set it", "identity-token", true},
		{"ACTIONS_ID_TOKEN_REQUEST_URL", "where a job of GitHub Actions asks for identity tokens", "", false},
		{"ACTIONS_ID_TOKEN_REQUEST_TOKEN", "what it asks with", "", true},
		{"BUILDKITE_AGENT_ENDPOINT", "where a Buildkite job asks for identity tokens", "", false},
		{"BUILDKITE_AGENT_ACCESS_TOKEN", "what it asks with", "", true},
		{"BUILDKITE_JOB_ID", "for which job", "", false},
		{"SPIFFE_ENDPOINT_SOCKET", "address of a SPIFFE agent that gives identity tokens", "", false},
		{"SPIFFE_JWT_SVID_FILE", "file with an identity token that a SPIFFE agent writes", "", false},
		{"REGISTRY_AUTH_FILE", "file with the credentials of registries, as podman and skopeo read it; else Docker's, in DOCKER_CONFIG", "", false},
		{"DOCKER_CONFIG", "folder of Docker's config.json, for the credentials of registries", "", false},
		{"SOURCE_DATE_EPOCH", "time that is noted as the time of creation, in seconds since 1970", "", false},
		{"CI", "if set, progress is told in plain lines", "", false},
		{"GITHUB_ACTIONS", "tells that this is a job of GitHub Actions", "", false},
		{"GITLAB_CI", "tells that this is a job of GitLab CI", "", false},
		{"BUILDKITE", "tells that this is a Buildkite job", "", false},
		{"XDG_CONFIG_HOME", "folder of the user's configuration (else ~/.config)", "", false},
		{"XDG_CACHE_HOME", "folder of what can be fetched or made again (else ~/.cache)", "", false},
		{"XDG_STATE_HOME", "folder of what is remembered between runs (else ~/.local/state)", "", false},
		{"HOME", "the user's home folder", "", false},
	}
}

// variableOf is the variable that is asked where a flag is not given, and that holds the
// same.
func variableOf(flag string) (string, bool) {
	for _, v := range Variables() {
		if v.Flag == flag && !v.Secret && v.Name != envConfig {
			return v.Name, true
		}
	}
	return "", false
}
