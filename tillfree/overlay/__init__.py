"""Pictures of what the pipeline knows, drawn over what the cameras saw. Drawing only, no decisions."""
