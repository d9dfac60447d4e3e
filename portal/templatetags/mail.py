"""What pages say about where a mail went."""

from django import template

from portal.mail import is_kept_in_files

register = template.Library()
register.simple_tag(is_kept_in_files, name="mail_is_kept_in_files")
