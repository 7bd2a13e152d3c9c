"""A definition's Dockerfile, built above the assembled image by an engine that reaches nothing but the proxy."""

from sekisho_builder.dockerfile.build import FILE, Dockerfiled, build_dockerfile

__all__ = ["FILE", "Dockerfiled", "build_dockerfile"]
