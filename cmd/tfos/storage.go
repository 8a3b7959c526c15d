package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"tfos/internal/exit"
	"tfos/internal/hadoop"
	"tfos/internal/job"
	"tfos/internal/launch"
	"tfos/internal/modelcache"
	"tfos/internal/store"
)

// configureStores sets up the stores of this process, by the environment, the files of
// Hadoop and Spark, and conf, a job's spark.conf. It returns their settings, which may have
// secrets.
func (c *cli) configureStores(conf map[string]string) (store.Settings, error) {
	configuration, err := hadoop.Load(c.env.Get, conf)
	if err != nil {
		return nil, &launch.Error{Code: exit.Usage, Phase: "storage", Err: err}
	}
	settings := store.Settings(configuration.Stores())
	store.Configure(settings)
	return settings, nil
}

// useStores does so if one of paths is a URL.
func (c *cli) useStores(paths ...string) error {
	for _, path := range paths {
		if store.Remote(path) {
			_, err := c.configureStores(nil)
			return err
		}
	}
	return nil
}

// openStores makes what a job has on stores visible to its checks: it sets up the stores,
// and copies the graphs of models here.
func (c *cli) openStores(ctx context.Context, spec *job.Spec) (store.Settings, error) {
	if !spec.UsesStores() {
		return nil, nil
	}
	settings, err := c.configureStores(spec.Spark.Conf)
	if err == nil {
		err = job.FetchModels(ctx, spec, c.models())
	}
	return settings, err
}

// models is the cache of models' copies.
func (c *cli) models() modelcache.Cache {
	return modelcache.Cache{Root: modelcache.DefaultRoot(c.env.Get)}
}

// localModel returns the path on this machine of the model at a path, whose store is set up,
// and a function that names the model instead of its copy in texts.
func (c *cli) localModel(ctx context.Context, path string) (here string, named func(string) string, err error) {
	if !store.Remote(path) {
		return path, func(text string) string { return text }, nil
	}
	copied, err := c.models().Fetch(ctx, path, modelcache.Graph)
	if err != nil {
		return "", nil, &launch.Error{Code: exit.CodeOf(err, exit.Failed), Phase: "model", Err: err}
	}
	return copied.Path, copied.InURL, nil
}

// storageInput is the first line of standard input of a driver without Spark; nil: its plan
// has no URL.
func (s *submission) storageInput() ([]byte, error) {
	if !s.plan.Stores {
		return nil, nil
	}
	line, err := json.Marshal(map[string]any{"storage": s.storage})
	if err != nil {
		return nil, fmt.Errorf("write the settings of stores: %w", err)
	}
	return append(line, '\n'), nil
}

// propertiesFile is the content of the file of secrets for spark-submit.
func (s *submission) propertiesFile(spark launch.Spark) ([]byte, error) {
	site, err := launch.FindDefaults(spark.Home, s.c.env)
	if err != nil {
		return nil, err
	}
	return []byte(s.plan.Submission.PropertiesFile(site.Text)), nil
}

// propertiesName is the name of that file in the scratch folder.
func (s *submission) propertiesName() string { return filepath.Base(s.plan.Submission.Properties) }
