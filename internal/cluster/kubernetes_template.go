package cluster

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// templateSettings are Spark's settings that name a pod template, which spark-submit reads.
var templateSettings = []string{"spark.kubernetes.driver.podTemplateFile", "spark.kubernetes.executor.podTemplateFile"}

// checkTemplates returns an error if a pod template on this machine is none, on which Spark ends
// with a ClassCastException or a NullPointerException. Whether the API server accepts such a pod is
// not known. Templates on stores are Spark's to read.
func checkTemplates(conf map[string]string) error {
	for _, setting := range templateSettings {
		path := conf[setting]
		if u, err := url.Parse(path); err == nil && u.Scheme != "" {
			if u.Scheme != "file" {
				continue
			}
			path = u.Path
		}
		if path == "" {
			continue
		}
		if err := checkTemplate(path); err != nil {
			return fmt.Errorf("%s: %w", setting, err)
		}
	}
	return nil
}

func checkTemplate(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	var documents int
	for decoder := yaml.NewDecoder(file); ; {
		var pod *struct {
			Kind string
			Spec struct{ Containers []struct{ Name string } }
		}
		switch err := decoder.Decode(&pod); {
		case errors.Is(err, io.EOF) && documents == 1:
			return nil
		case errors.Is(err, io.EOF):
			return fmt.Errorf("%s: %d documents: must be one pod", path, documents)
		case err != nil:
			return fmt.Errorf("%s: %w", path, err)
		case pod == nil: // between two ---
		case pod.Kind != "" && !strings.EqualFold(pod.Kind, "Pod"):
			return fmt.Errorf("%s: kind is %s: must be Pod", path, pod.Kind)
		default:
			documents++
		}
	}
}
