module github.com/hallmark-project/hallmark/test/action

go 1.26.3

require go.yaml.in/yaml/v3 v3.0.6
