package s3

import (
	"cmp"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// encryption is how S3 encrypts what is written. The zero value leaves it to the bucket.
type encryption struct {
	algorithm types.ServerSideEncryption
	key       *string // of KMS; nil: the account's own
}

// encryption returns that of fs.s3a.encryption.*, or of the names that these had before
// Hadoop 3.3.2.
func (s settings) encryption() (encryption, error) {
	name := cmp.Or(s.get("encryption.algorithm"), s.get("server-side-encryption-algorithm"))
	e := encryption{}
	if key := cmp.Or(s.get("encryption.key"), s.get("server-side-encryption.key")); key != "" {
		e.key = &key
	}
	switch name {
	case "":
		return encryption{}, nil
	case "AES256":
		return encryption{algorithm: types.ServerSideEncryptionAes256}, nil
	case "SSE-KMS":
		e.algorithm = types.ServerSideEncryptionAwsKms
		return e, nil
	case "DSSE-KMS":
		e.algorithm = types.ServerSideEncryptionAwsKmsDsse
		return e, nil
	}
	return encryption{}, fmt.Errorf("fs.s3a.encryption.algorithm: %s: tfos does not have it. Use AES256, SSE-KMS or DSSE-KMS, or let Spark read and write (read_by: spark)", name)
}
