package server_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const packaging = "../../packaging"

func packaged(tb testing.TB, name string) []byte {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(packaging, name))
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// What is packaged sets only settings that the program has.
func TestPackagesSetWhatThereIs(t *testing.T) {
	help := command(t, "", "serve", "--help").want(t, 0).stdout
	for _, name := range []string{"sallyport.env", "Containerfile", "kubernetes.yaml"} {
		found := regexp.MustCompile(`SALLYPORT_[A-Z_]+`).FindAllString(string(packaged(t, name)), -1)
		if len(found) == 0 {
			t.Errorf("%s names no setting", name)
		}
		for _, setting := range found {
			if !strings.Contains(help, setting+",") && !strings.Contains(help, setting+")") {
				t.Errorf("%s sets %s, which is no setting", name, setting)
			}
		}
	}
}

// The units are such as systemd reads without a complaint.
func TestUnitsAreGood(t *testing.T) {
	verify, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	dir := t.TempDir()
	line := []string{"verify", "--man=no"}
	for _, name := range []string{"sallyport.service", "sallyport.socket"} {
		unit := strings.ReplaceAll(string(packaged(t, name)), "/usr/bin/sallyport", program(t))
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(unit), 0o600); err != nil {
			t.Fatal(err)
		}
		line = append(line, file)
	}
	// It exits with 0 for lines that it ignores.
	if out, err := exec.Command(verify, line...).CombinedOutput(); err != nil || bytes.Contains(out, []byte("sallyport")) {
		t.Errorf("%v: %s", err, out)
	}
}

// The example for Kubernetes is YAML of complete objects, whose service leads
// to the pods and whose pods have time to stop.
func TestTheKubernetesExampleHoldsTogether(t *testing.T) {
	type object struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   struct{ Name string }
		Spec       struct {
			Selector map[string]any
			Template struct {
				Metadata struct{ Labels map[string]string }
				Spec     struct {
					Grace int `yaml:"terminationGracePeriodSeconds"`
				}
			}
		}
	}
	kinds := map[string]object{}
	documents := yaml.NewDecoder(bytes.NewReader(packaged(t, "kubernetes.yaml")))
	for {
		var o object
		err := documents.Decode(&o)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || o.APIVersion == "" || o.Metadata.Name == "" {
			t.Fatalf("%v in %+v", err, o)
		}
		kinds[o.Kind] = o
	}
	pods := kinds["Deployment"].Spec.Template
	if pods.Spec.Grace < 15 {
		t.Errorf("pods have %d seconds to stop, want 15 or more", pods.Spec.Grace)
	}
	if app := kinds["Service"].Spec.Selector["app"]; app == nil || app != pods.Metadata.Labels["app"] {
		t.Errorf("the service leads to %v, the pods are %v", app, pods.Metadata.Labels)
	}
}
