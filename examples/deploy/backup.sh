#!/bin/sh
# One backup, then those away that are older than ICP_BACKUP_DAYS (30). A backup that fails removes nothing.
set -eu
folder=${ICP_BACKUP_FOLDER:-/var/backups/icp-warehouse}
icp=${ICP:-/opt/icp-warehouse/.venv/bin/icp}
"$icp" backup "$folder/icp-$(date -u +%Y-%m-%dT%H%M%S).dump"
find "$folder" -maxdepth 1 -name 'icp-*.dump' -mtime "+${ICP_BACKUP_DAYS:-30}" -delete
