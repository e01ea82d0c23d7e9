"""From images to embeddings, and from embeddings to class logits."""
