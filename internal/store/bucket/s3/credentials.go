package s3

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
)

// providerKey is Hadoop's list of classes that have credentials.
const providerKey = "aws.credentials.provider"

// source makes the provider of a class. inherited is the SDK's own chain: environment,
// files, web identity, container, instance.
type source func(s settings, inherited aws.CredentialsProvider) aws.CredentialsProvider

// sources are the classes of providerKey, by the last part of their names. Hadoop's
// and both versions of the AWS SDK for Java have some of the same names.
var sources = map[string]source{
	"AnonymousAWSCredentialsProvider":         anonymous,
	"AnonymousCredentialsProvider":            anonymous,
	"SimpleAWSCredentialsProvider":            simple,
	"TemporaryAWSCredentialsProvider":         temporary,
	"EnvironmentVariableCredentialsProvider":  environment,
	"InstanceProfileCredentialsProvider":      instance,
	"IAMInstanceCredentialsProvider":          chain, // container, then instance
	"EC2ContainerCredentialsProviderWrapper":  chain,
	"ContainerCredentialsProvider":            chain,
	"DefaultAWSCredentialsProviderChain":      chain,
	"DefaultCredentialsProvider":              chain,
	"ProfileCredentialsProvider":              chain,
	"WebIdentityTokenCredentialsProvider":     chain,
	"WebIdentityTokenFileCredentialsProvider": chain,
}

// credentials returns the provider of these settings. Without any, it is the SDK's chain.
func (s settings) credentials(inherited aws.CredentialsProvider) (aws.CredentialsProvider, error) {
	var providers []aws.CredentialsProvider
	for class := range strings.FieldsFuncSeq(s.get(providerKey), func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' }) {
		known := sources[class[strings.LastIndexAny(class, ".$")+1:]]
		if known == nil {
			return nil, fmt.Errorf("fs.s3a.%s: %s: tfos does not have this provider. Use AnonymousAWSCredentialsProvider, "+
				"SimpleAWSCredentialsProvider, TemporaryAWSCredentialsProvider, EnvironmentVariableCredentialsProvider or "+
				"IAMInstanceCredentialsProvider, or let Spark read the input (read_by: spark)", providerKey, class)
		}
		providers = append(providers, known(s, inherited))
	}
	switch {
	case len(providers) == 1:
		if _, none := providers[0].(aws.AnonymousCredentials); none {
			return providers[0], nil
		}
	case len(providers) == 0 && s.get("access.key") != "":
		providers = []aws.CredentialsProvider{temporary(s, nil)}
	case len(providers) == 0:
		providers = []aws.CredentialsProvider{inherited}
	}
	return aws.NewCredentialsCache(firstOf(providers)), nil
}

func anonymous(settings, aws.CredentialsProvider) aws.CredentialsProvider {
	return aws.AnonymousCredentials{}
}

func simple(s settings, _ aws.CredentialsProvider) aws.CredentialsProvider {
	return static("fs.s3a.access.key", s.get("access.key"), s.get("secret.key"), "")
}

func temporary(s settings, _ aws.CredentialsProvider) aws.CredentialsProvider {
	return static("fs.s3a.access.key", s.get("access.key"), s.get("secret.key"), s.get("session.token"))
}

func environment(settings, aws.CredentialsProvider) aws.CredentialsProvider {
	return static("AWS_ACCESS_KEY_ID", os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN"))
}

func instance(settings, aws.CredentialsProvider) aws.CredentialsProvider { return ec2rolecreds.New() }

func chain(_ settings, inherited aws.CredentialsProvider) aws.CredentialsProvider { return inherited }

// static has a key, or the error that it is not set.
func static(name, key, secret, token string) aws.CredentialsProvider {
	if key == "" || secret == "" {
		return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New(name + " or its secret is not set")
		})
	}
	return credentials.NewStaticCredentialsProvider(key, secret, token)
}

// credentialsError is the error of a provider.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

// firstOf has the credentials of the first provider that has some.
type firstOf []aws.CredentialsProvider

// Retrieve implements aws.CredentialsProvider.
func (f firstOf) Retrieve(ctx context.Context) (aws.Credentials, error) {
	var errs []error
	for _, provider := range f {
		if _, none := provider.(aws.AnonymousCredentials); none {
			return aws.Credentials{}, &credentialsError{errors.New("an anonymous provider cannot follow others")}
		}
		c, err := provider.Retrieve(ctx)
		if err == nil {
			return c, nil
		}
		if ctx.Err() != nil {
			return aws.Credentials{}, ctx.Err()
		}
		errs = append(errs, err)
	}
	return aws.Credentials{}, &credentialsError{errors.Join(errs...)}
}
