package store

import (
	"errors"
	"strings"

	"tfos/internal/store/bucket/azure"
	"tfos/internal/store/bucket/gcs"
	"tfos/internal/store/bucket/s3"
)

// openS3 opens the bucket of s3://bucket or s3a://bucket.
func openS3(root string, settings Settings) (Store, error) {
	_, name, _ := strings.Cut(root, "://")
	if err := bucketNamed(name, "s3://BUCKET/KEY"); err != nil {
		return nil, err
	}
	b, err := s3.New(name, settings)
	if err != nil {
		return nil, settings.nameKeystore(err)
	}
	return newObjects(root, b, settings), nil
}

// bucketNamed returns an error if a URL names no bucket. form is what it should look like.
func bucketNamed(name, form string) error {
	switch {
	case name == "":
		return errors.New("the URL names no bucket: write " + form)
	case strings.Contains(name, "@"):
		return errors.New("the URL must have no user: write " + form)
	}
	return nil
}

// openGCS opens the bucket of gs://bucket.
func openGCS(root string, settings Settings) (Store, error) {
	_, name, _ := strings.Cut(root, "://")
	if err := bucketNamed(name, "gs://BUCKET/OBJECT"); err != nil {
		return nil, err
	}
	b, err := gcs.New(name, settings)
	if err != nil {
		return nil, settings.nameKeystore(err)
	}
	return newObjects(root, b, settings), nil
}

// openAzure opens the container of abfs://container@account.dfs.core.windows.net. Both
// schemes use TLS, as Hadoop does by default.
func openAzure(root string, settings Settings) (Store, error) {
	_, authority, _ := strings.Cut(root, "://")
	name, host, found := strings.Cut(authority, "@")
	if !found || name == "" || host == "" || strings.Contains(name, ":") {
		return nil, errors.New("must be abfs://container@account.dfs.core.windows.net/key")
	}
	b, err := azure.New(host, name, settings)
	if err != nil {
		return nil, settings.nameKeystore(err)
	}
	return newObjects(root, b, settings), nil
}
