#!/usr/bin/env bash
# iam.sh PROJECT SOURCE_BUCKET OUTPUT_BUCKET: a service account for the tasks, with the least roles.
# Run it again at any time: what is there stays. Roles are given on buckets, never on the project.
# With BATCH=yes also what Google Batch's agent needs on its machines.
set -euo pipefail

project=${1:?accepted: iam.sh PROJECT SOURCE_BUCKET OUTPUT_BUCKET}
source_bucket=${2:?accepted: iam.sh PROJECT SOURCE_BUCKET OUTPUT_BUCKET}
output_bucket=${3:?accepted: iam.sh PROJECT SOURCE_BUCKET OUTPUT_BUCKET}
account=shard-task@$project.iam.gserviceaccount.com

gcloud iam service-accounts describe "$account" --project "$project" >/dev/null 2>&1 ||
  gcloud iam service-accounts create shard-task --project "$project" --display-name 'Shard tasks'

grant() { # grant BUCKET ROLE
  gcloud storage buckets add-iam-policy-binding "gs://$1" \
    --member "serviceAccount:$account" --role "$2"
}

# Source: storage.objects.get and .list.
grant "$source_bucket" roles/storage.objectViewer
# Output: .create, .get, .list, and .delete, without which Cloud Storage refuses to overwrite
# (a stale thumbnail, the ledger). objectUser has little more; iam/gcs-output-role.yaml has exactly these.
grant "$output_bucket" roles/storage.objectUser

if [ "${BATCH:-no}" = yes ]; then
  for role in roles/batch.agentReporter roles/logging.logWriter roles/artifactregistry.reader; do
    gcloud projects add-iam-policy-binding "$project" \
      --member "serviceAccount:$account" --role "$role" --condition None
  done
fi

echo "SERVICE_ACCOUNT=$account"
